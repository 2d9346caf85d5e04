-- error-while-dialling.lua - a task fails while others dial and talk.
-- status: 1
-- args: --cpu 2s --memory 16MiB
-- server: echo
-- stderr: enough
local ws = require "websocket"
local url = (...)
for i = 1, 20 do
  coroutine.spawn(function()
    local c = ws.connect(url)
    while c do c:send("x") c:channel():receive() end
  end)
end
coroutine.spawn(function() require "time".sleep("20ms") error("enough") end)
channel.new():receive()
