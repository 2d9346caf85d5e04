-- timers.lua - timers up to their limit, and what that costs.
-- status: 0
-- args: --memory 32MiB --cpu 5s
-- stdout: fine
local time = require "time"
local all = {}
local err
repeat
  local timer
  timer, err = time.timer("1h")
  all[#all + 1] = timer
until not timer
assert(err:kind() == errors.RATE_LIMITED and err:retryable() == true)
assert(#all <= 10000)
assert(select(2, time.ticker("1h")) and select(2, time.after("1h")))
assert(select(2, time.sleep("1h")))
for _, timer in ipairs(all) do timer:stop() end
all = nil
local failed = 0
for _ = 1, 30000 do
  failed = failed + (time.timer("1h") and 0 or 1)
end
assert(failed == 0)
print "fine"
