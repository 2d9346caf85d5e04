-- messages-huge.lua - more in messages than the memory of the script holds,
-- in and out.
-- status: 0 11
-- args: --cpu 8s --memory 8MiB
-- server: megabytes
-- It is told once that there is no memory; the peer may be so quick that its
-- messages leave no room for one of ours, which is the second time.
local ws = require "websocket"
local c = assert(ws.connect((...)))
assert(not pcall(string.rep, "x", 16 << 20))
for _ = 1, 4 do
  if not c:channel():receive() then break end
  c:send(("y"):rep(1 << 20)) -- or the connection ends for want of memory
end
c:close()
print "fine"
