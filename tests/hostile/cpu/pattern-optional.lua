-- pattern-optional.lua - "a?" thirty times.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local n = 40
pcall(string.match, ("a"):rep(n - 1), ("a?"):rep(n) .. ("a"):rep(n))
print "survived"
