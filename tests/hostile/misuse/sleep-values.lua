-- sleep-values.lua - durations of every kind.
-- status: 0
-- args: --cpu 1s --memory 8MiB
-- stdout: fine
local time = require "time"
for _, d in ipairs {0/0, 1/0, -1/0, {}, print, true, "", "x", "1", "1 s", "1h-",
    ("999999h"):rep(1000), "9999999999h", "-", "+", ".s", "1.", "1e3s", "0x1s"} do
  for _, f in ipairs {time.sleep, time.after, time.timer, time.ticker,
                      time.parse_duration} do
    local ok, v, err = pcall(f, d)
    assert(ok and v == nil and err:kind() == errors.INVALID, tostring(d))
  end
end
assert(time.sleep(-1) and time.sleep("-1h") and time.sleep(math.mininteger))
assert(select(2, time.timer(0)) and select(2, time.ticker(-1)))
print "fine"
