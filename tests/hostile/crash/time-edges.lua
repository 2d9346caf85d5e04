-- time-edges.lua - times and durations at the ends of the numbers.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- stdout: fine
local time = require "time"
local edges = {math.mininteger, -1, 0, 1, math.maxinteger, 2^53, -2^53, 1e308,
               -1e308, 0/0, 1/0, 0.5, "1h", "-9223372036854775808ns", "", "x",
               "1h1h1h", ("9"):rep(100) .. "h", {}, false}
for _, a in ipairs(edges) do
  pcall(time.unix, a)
  pcall(time.parse_duration, a)
  pcall(time.fixed_zone, "zone", a)
  pcall(time.fixed_zone, a, 1)
  pcall(time.load_location, a)
  pcall(time.timer, a)
  pcall(time.ticker, a)
  pcall(time.after, a)
  for _, b in ipairs(edges) do
    pcall(time.unix, a, b)
    pcall(time.date, a, b, a, b, a, b, a)
    pcall(time.date, 2024, a, b, 0, 0, 0, 0, time.utc)
    pcall(time.date, b, 1, a, 0, 0, 0, 0, time.utc)
    local now = time.now()
    pcall(now.add, now, a)
    pcall(now.add_date, now, a, b, a)
    pcall(now.round, now, a)
    pcall(now.truncate, now, a)
    pcall(now.format, now, a)
    pcall(time.parse, a, b)
    local ok, t = pcall(time.unix, a, b)
    if ok and t then
      pcall(function() return t:sub(now), t:year_day(), t:weekday(),
        tostring(t), t:format_rfc3339(), t:unix_nano(), t:utc():date() end)
      pcall(t.add, t, b)
      pcall(t.add_date, t, 1 << 40, 1 << 40, 1 << 40)
    end
    pcall(function() return time.parse_duration(a) + time.parse_duration(b) end)
    pcall(function() return time.parse_duration(a) < time.parse_duration(b) end)
  end
end
print "fine"
