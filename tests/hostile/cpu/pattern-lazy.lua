-- pattern-lazy.lua - "-" instead of "*".
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
pcall(string.match, ("a"):rep(200), (".-"):rep(20) .. "b")
print "survived"
