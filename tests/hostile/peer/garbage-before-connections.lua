-- garbage-before-connections.lua - more than half of the memory is in use, and
-- each connection finds the rest full of garbage: that is collected first.
-- status: 0
-- args: --memory 4MiB --cpu 10s --max-connects-per-minute 1000
-- server: echo
-- stdout: all of them
local websocket = require "websocket"
local live = {}
for i = 1, 40 do live[i] = ("x"):rep(60000) .. i end
for i = 1, 100 do
  local garbage = {}
  for j = 1, 10 do garbage[j] = ("y"):rep(3000 + j) .. i end
  local client, err = websocket.connect(arg[1])
  if not client then error(i .. ": " .. tostring(err)) end
  assert(client:send(("z"):rep(2000)))
  local message, ok = client:receive():receive()
  assert(ok and #message.data == 2000, i)
  client:close()
end
print("all of them")
