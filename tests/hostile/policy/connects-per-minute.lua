-- connects-per-minute.lua - so many connects a minute, then no more.
-- status: 0
-- args: --max-connects-per-minute 5 --cpu 2s --memory 16MiB -q
-- server: echo
-- stdout: 5
local websocket = require "websocket"
local n = 0
for _ = 1, 20 do
  local client, err = websocket.connect(arg[1])
  if client then
    n = n + 1
    client:close()
  else
    assert(err:kind() == errors.RATE_LIMITED and err:retryable() == true)
  end
end
print(n)
