-- in-comparators.lua - connects and sends where one cannot wait.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: echo
-- stdout: fine
local websocket = require "websocket"
local client = assert(websocket.connect(arg[1]))
local err
table.sort({3, 2, 1}, function()
  local c
  c, err = websocket.connect(arg[1])
  assert(not c)
  assert(not pcall(client.send, client, "x"))
  assert(not pcall(client.close, client))
  return false
end)
assert(err:kind() == errors.INTERNAL and err:retryable() == false)
assert(client:send("fine"))
print(client:channel():receive().data)
