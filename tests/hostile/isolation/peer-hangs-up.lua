-- peer-hangs-up.lua - the other side is gone as soon as it is there, thirty
-- times, while the script has something to say.
-- status: 0
-- args: --cpu 5s --memory 16MiB
-- server: hang_up
-- stdout: fine
local ws = require "websocket"
for _ = 1, 30 do
  local c = ws.connect((...))
  if c then
    c:send(("x"):rep(100000))
    c:channel():receive()
    c:close()
  end
end
print "fine"
