-- deadline-in-pattern.lua - a deadline in a pattern.
-- status: 12
-- args: --deadline 50ms --cpu 5s
pcall(string.find, ("a"):rep(60), ("a*"):rep(40) .. "b")
print "survived"
