-- pattern-exponential.lua - a pattern that goes back again and again.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local s = ("a"):rep(40)
pcall(string.find, s, ("a*"):rep(30) .. "b")
print "survived"
