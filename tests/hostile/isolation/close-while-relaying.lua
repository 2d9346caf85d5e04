-- close-while-relaying.lua - closed while megabytes are on their way in and
-- out.
-- status: 0
-- args: --cpu 8s --memory 64MiB
-- server: echo
-- stdout: fine
local ws = require "websocket"
for i = 1, 6 do
  local c = assert(ws.connect((...)))
  local done = channel.new()
  coroutine.spawn(function()
    for _ = 1, 8 do
      if not c:send(("z"):rep(1 << 18)) then break end
    end
    done:send(true)
  end)
  c:channel():receive()
  if i % 2 == 0 then c:close(4000, "enough") else c:close() end
  done:receive()
  assert(not c:send("late"))
end
print "fine"
