-- killed-while-connecting.lua - the limit is met while a hundred connects are
-- on their way.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- server: silent
local websocket = require "websocket"
for _ = 1, 60 do
  coroutine.spawn(function() websocket.connect(arg[1]) end)
end
require "time".sleep("5ms")
while true do end
