-- weak-clients.lua - clients in weak tables, used until they are gone.
-- status: 0
-- args: --cpu 5s --memory 8MiB
-- server: echo
-- stdout: fine
local websocket, time = require "websocket", require "time"
local found = setmetatable({}, {__mode = "k"})
for i = 1, 20 do
  local client = websocket.connect(arg[1])
  if client then
    found[client] = client:channel()
    coroutine.spawn(function() pcall(function() client:send("x") end) end)
  end
  client = nil
  for j = 1, 300 do local garbage = ("x"):rep(1000) .. j end
  for c, ch in pairs(found) do
    pcall(function() c:send("y") end)
    pcall(function() c:ping() end)
    pcall(function() channel.select {ch:case_receive(), default = true} end)
  end
end
print "fine"
