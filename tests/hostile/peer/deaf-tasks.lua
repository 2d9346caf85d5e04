-- deaf-tasks.lua - hundreds of messages on their way to a server that does
-- not read, when the script ends.
-- status: 0
-- args: --cpu 5s --memory 32MiB
-- server: deaf
-- stdout: fine
local client = assert(require "websocket".connect(arg[1]))
local message = ("x"):rep(10 << 20)
for _ = 1, 200 do coroutine.spawn(function() client:send(message) end) end
require "time".sleep("20ms")
print "fine"
