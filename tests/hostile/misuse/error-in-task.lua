-- error-in-task.lua - an error in a spawned task ends the script, by name.
-- status: 1
-- stderr: boom (in spawned task 2)
-- stderr: error-in-task.lua:6
require "errors"
local function fail() error("boom") end
coroutine.spawn(fail)
require "time".sleep("10s")
print "survived"
