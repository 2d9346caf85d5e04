-- many-timers-and-dials.lua - all that the loop waits for, at once, and then an
-- end by deadline.
-- status: 12
-- args: --cpu 5s --memory 64MiB --deadline 400ms
-- server: echo
-- stderr: deadline
local ws, time = require "websocket", require "time"
local url = (...)
for i = 1, 500 do
  coroutine.spawn(function()
    local k = time.ticker("7ms")
    while true do k:channel():receive() end
  end)
end
for i = 1, 30 do
  coroutine.spawn(function()
    while true do
      local c = ws.connect(url)
      if c then c:send("x") c:channel():receive() c:close() end
      time.sleep("3ms")
    end
  end)
end
channel.new():receive()
