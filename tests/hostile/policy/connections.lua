-- connections.lua - so many connections at once, from however many tasks.
-- status: 0
-- args: --max-connections 3 --cpu 2s --memory 16MiB -q
-- server: echo
-- stdout: 3
local websocket = require "websocket"
local done, kept = channel.new(), {}
for _ = 1, 20 do
  coroutine.spawn(function()
    local client, err = websocket.connect(arg[1])
    kept[#kept + 1] = client
    if err then assert(err:kind() == errors.RATE_LIMITED) end
    done:send(true)
  end)
end
for _ = 1, 20 do done:receive() end
print(#kept)
