-- refused-once-more.lua - asking ten thousand times does not change the
-- answer.
-- status: 0
-- args: --cpu 10s --memory 16MiB -q
-- stdout: no
local websocket = require "websocket"
local url = "wss://example.com/chat"
for _ = 1, 10000 do
  local client, err = websocket.connect(url)
  assert(not client and err:kind() == errors.PERMISSION_DENIED)
end
print "no"
