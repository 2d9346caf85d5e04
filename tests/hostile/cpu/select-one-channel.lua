-- select-one-channel.lua - ten thousand cases of one channel, for a hundred tasks.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local ch, cases = channel.new(), {}
for i = 1, 10000 do cases[i] = ch:case_receive() end
for i = 1, 100 do coroutine.spawn(function() while true do
  channel.select(cases) end end) end
while true do ch:send(1) end
