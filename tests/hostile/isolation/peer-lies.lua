-- peer-lies.lua - one wrong answer after the other: an error each time, and the
-- next one works as ever.
-- status: 0
-- args: --cpu 5s --memory 16MiB
-- server: wrong_accept
-- stdout: fine
local ws = require "websocket"
for _ = 1, 30 do
  local c, e = ws.connect((...))
  assert(c == nil and #tostring(e) < 2000)
end
print "fine"
