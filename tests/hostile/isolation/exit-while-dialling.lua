-- exit-while-dialling.lua - the script ends while what it asked for is still
-- on its way.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- server: silent
-- stdout: gone
local ws = require "websocket"
local url = (...)
for i = 1, 20 do
  coroutine.spawn(function() ws.connect(url) print "survived" end)
end
require "time".sleep("5ms")
print "gone"
