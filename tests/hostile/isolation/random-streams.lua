-- random-streams.lua - random numbers are no other script's, nor are
-- they known before.
-- status: 0
-- args: --cpu 1s --memory 8MiB
-- stdout: fine
local a = math.random(0)
math.randomseed(42)
local b = math.random(0)
math.randomseed(42)
assert(math.random(0) == b)
math.randomseed()
assert(math.random(0) ~= b or math.random(0) ~= b)
assert(a ~= math.random(0))
print "fine"
