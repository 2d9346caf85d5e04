-- timers-and-garbage.lua - timers whose channels are gone, and channels whose
-- timers are.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- stdout: fine
local time = require "time"
for round = 1, 2000 do
  local ch = time.after("100us")
  local timer = time.timer("200us")
  local c = time.ticker("300us"):channel()
  local t2 = time.timer("1h")
  t2:channel()
  t2:reset("50us")
  if round % 5 == 0 then timer:stop() timer:reset("10us") timer:stop() end
  if round % 100 == 0 then
    coroutine.spawn(function() timer:reset("1us") timer:channel():receive() end)
    channel.select {ch:case_receive(), c:case_receive()}
  end
end
time.sleep("5ms")
print "fine"
