-- once-of-host.lua - memory that a connection needs is refused as Lua's is: told
-- once, and then the script is stopped.
-- status: 11
-- args: --memory 2MiB --cpu 5s
-- server: echo
-- stderr: memory limit of 2 MiB
local websocket = require "websocket"
local all, n, clients = {}, 0, {}
pcall(function()
  while true do
    n = n + 1
    all[n] = ("x"):rep(400) .. n
  end
end)
for i = 1, 60 do clients[i] = websocket.connect(arg[1]) end
print("survived")
