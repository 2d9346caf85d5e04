-- connect-churn.lua - connections come and go, one after the other: nothing is
-- left of them on either side.
-- status: 0
-- args: --cpu 5s --memory 16MiB
-- server: echo
-- stdout: fine
local ws = require "websocket"
for i = 1, 60 do
  local c = assert(ws.connect((...)))
  if i % 3 == 0 then
    c:close(1000, "bye")
  elseif i % 3 == 1 then
    c:send("x")
  end
  c = nil
  if i % 10 == 0 then local garbage = ("x"):rep(1 << 20) end
end
print "fine"
