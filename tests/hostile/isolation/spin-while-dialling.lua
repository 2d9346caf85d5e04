-- spin-while-dialling.lua - answers come to a script that never takes them, and
-- is abandoned.
-- status: 10
-- args: --cpu 200ms --memory 16MiB
-- server: echo
-- stderr: CPU limit
local ws = require "websocket"
local url = (...)
for i = 1, 40 do
  coroutine.spawn(function()
    local c = assert(ws.connect(url))
    c:send(("x"):rep(1000))
  end)
end
coroutine.spawn(function()
  while true do pcall(string.rep, "x", 1000) end
end)
channel.new():receive()
