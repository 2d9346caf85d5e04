-- refused-connects.lua - connects that policy refuses.
-- status: 10
-- args: --cpu 50ms --memory 16MiB -q
-- stderr: CPU limit
local websocket = require "websocket"
while true do
  websocket.connect("wss://example.com/" .. math.random(0))
  websocket.connect(("x"):rep(10000))
end
