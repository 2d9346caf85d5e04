-- error-boolean-in-task.lua - and so can false, in a task.
-- status: 1
-- stderr: false (in spawned task 2)
coroutine.spawn(function() error(false) end)
channel.new():receive()
