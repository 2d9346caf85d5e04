-- timers-few.lua - a lower limit on timers holds, and stopped ones do not
-- count.
-- status: 0
-- args: --max-timers 10 --cpu 1s --memory 8MiB
-- stdout: fine
local time = require "time"
local all = {}
for i = 1, 10 do all[i] = assert(time.timer("1h")) end
assert(not time.timer("1h") and not time.ticker("1h") and not time.after(1))
assert(not time.sleep("1ms"))
for i = 1, 10 do all[i]:stop() end
assert(time.sleep("1ms"))
for i = 1, 10 do assert(all[i]:reset("1h") == false) end
for i = 1, 10 do assert(all[i]:reset("1h") == true) end
assert(not time.after("1h"))
print "fine"
