-- in-coroutines.lua - a connection is opened in one coroutine, used in others,
-- and closed in a third.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: echo
-- stdout: fine
local websocket = require "websocket"
local w = coroutine.wrap(function()
  local client = websocket.connect(arg[1])
  while true do
    coroutine.yield(client)
    client:send("fine")
    coroutine.yield(client:channel():receive().data)
  end
end)
local client = w()
coroutine.wrap(function() print(w()) end)()
coroutine.wrap(coroutine.wrap(function() client:close() end))()
assert(not client:channel():receive())
