-- spawn-error-objects.lua - a task that fails with what has no text.
-- status: 1
-- args: --cpu 1s --memory 16MiB
-- stderr: in spawned task
coroutine.spawn(error, setmetatable({}, {__tostring = error}))
require "time".sleep("1s")
