-- questions-cost.lua - what the broker answers costs CPU time of the script.
-- status: 10
-- args: --cpu 60ms
-- stderr: stack traceback
-- levels: process
local websocket = require "websocket"
while true do
  websocket.connect("wss://a.example/")
  websocket.connect("bad")
end
