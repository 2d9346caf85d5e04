-- time.lua - durations, times, zones, layouts: what needs no waiting.
local check = require "check"
local time = require "time"
local eq, ok, has, raises, fails =
  check.eq, check.ok, check.has, check.raises, check.fails

raises(nil, function() time.SECOND = 1 end)

-- Constants
for name, value in pairs {
  NANOSECOND = 1, MICROSECOND = 1000, MILLISECOND = 1000000,
  SECOND = 1000000000, MINUTE = 60000000000, HOUR = 3600000000000,
  RFC3339 = "2006-01-02T15:04:05Z07:00",
  RFC3339NANO = "2006-01-02T15:04:05.999999999Z07:00",
  RFC822 = "02 Jan 06 15:04 MST", RFC822Z = "02 Jan 06 15:04 -0700",
  RFC850 = "Monday, 02-Jan-06 15:04:05 MST",
  RFC1123 = "Mon, 02 Jan 2006 15:04:05 MST",
  RFC1123Z = "Mon, 02 Jan 2006 15:04:05 -0700",
  DATE_TIME = "2006-01-02 15:04:05", DATE_ONLY = "2006-01-02",
  TIME_ONLY = "15:04:05", KITCHEN = "3:04PM", STAMP = "Jan _2 15:04:05",
  STAMP_MILLI = "Jan _2 15:04:05.000", STAMP_MICRO = "Jan _2 15:04:05.000000",
  STAMP_NANO = "Jan _2 15:04:05.000000000",
} do
  eq(time[name], value, name)
end
for i, name in ipairs {
  "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST",
  "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER",
} do
  eq(time[name], i, name)
end
for i, name in ipairs {
  "SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY",
} do
  eq(time[name], i - 1, name)
end

-- Durations: from texts, and how they print
local function dur(x)
  local d, err = time.parse_duration(x)
  eq(err, nil)
  return d
end
for _, case in ipairs {
  {"0", 0, "0s"}, {"0s", 0, "0s"}, {"1ns", 1, "1ns"}, {"999ns", 999, "999ns"},
  {"1us", 1000, "1µs"}, {"1µs", 1000, "1µs"}, {"1.5us", 1500, "1.5µs"},
  {"1ms", 1000000, "1ms"}, {"300ms", 300000000, "300ms"},
  {"1.25ms", 1250000, "1.25ms"}, {"1s", 1000000000, "1s"},
  {"1.5s", 1500000000, "1.5s"}, {"0.1s", 100000000, "100ms"},
  {"59.999999999s", 59999999999, "59.999999999s"},
  {"60s", 60000000000, "1m0s"}, {"-2m", -120000000000, "-2m0s"},
  {"+5s", 5000000000, "5s"}, {"1h", 3600000000000, "1h0m0s"},
  {"1h30m", 5400000000000, "1h30m0s"}, {"1h30m45s", 5445000000000, "1h30m45s"},
  {"90m", 5400000000000, "1h30m0s"}, {"-1.5h", -5400000000000, "-1h30m0s"},
  {".5s", 500000000, "500ms"}, {"1.s", 1000000000, "1s"},
  {"100h0.000000001s", 360000000000001, "100h0m0.000000001s"},
  {"9223372036854775807ns", math.maxinteger, "2562047h47m16.854775807s"},
  {"-9223372036854775808ns", math.mininteger, "-2562047h47m16.854775808s"},
} do
  local d = dur(case[1])
  eq(type(d), "userdata")
  eq(d:nanoseconds(), case[2], case[1])
  eq(tostring(d), case[3], case[1])
end
eq(dur(5 * time.SECOND):seconds(), 5.0)
eq(dur(2.5e9):nanoseconds(), 2500000000)
eq(dur(1.9):nanoseconds(), 1)
eq(dur(-1.9):nanoseconds(), -1)
eq(dur(math.maxinteger):nanoseconds(), math.maxinteger)
eq(dur(math.mininteger):nanoseconds(), math.mininteger)
eq(dur(-2^63):nanoseconds(), math.mininteger)
eq(dur(dur("3s")):nanoseconds(), 3000000000)
for _, bad in ipairs {
  "", " ", "1", "s", "1x", "1 s", " 1s", "1s ", "1h-1m", "--1s", "1.2.3s",
  "1d", "1S", "abc", "invalid", ".s", "-", "+", "1e3s", "0x1s", "infs",
  "1s\0", "9223372036854775808ns", "-9223372036854775809ns", "3000000h",
  ("9"):rep(100) .. "s", ("1"):rep(100000), 0 / 0, 1 / 0, -1 / 0, 2^63, -2^64,
  1e300, true, {}, print, time.utc, errors.new("x"),
} do
  fails(errors.INVALID, false, "time.parse_duration: ", time.parse_duration(bad))
end
fails(errors.INVALID, false, "nothing", time.parse_duration())
fails(errors.INVALID, false, "nil", time.parse_duration(nil))

-- Durations: reading
local d = dur("1h30m45.123456789s")
eq(d:nanoseconds(), 5445123456789)
eq(d:microseconds(), 5445123456)
eq(d:milliseconds(), 5445123)
ok(math.abs(d:seconds() - 5445.123456789) < 1e-9)
ok(math.abs(d:minutes() - 90.75205761315) < 1e-9)
ok(math.abs(d:hours() - 1.5125342935525) < 1e-9)
eq(dur("-1.9ms"):milliseconds(), -1)
eq(dur("2h"):hours(), 2.0)
eq(dur("-90s"):minutes(), -1.5)
for _, name in ipairs {"hours", "minutes", "seconds", "milliseconds",
                       "microseconds", "nanoseconds"} do
  raises("Duration", d[name])
  raises("Duration", d[name], 5)
  raises("Duration", d[name], time.utc)
end
raises(nil, function() d.x = 1 end)
eq(getmetatable(d), false)

-- Durations: arithmetic and order
eq((dur("1h") + dur("30m")):nanoseconds(), 5400000000000)
eq(tostring(dur("1h") - dur("90m")), "-30m0s")
eq(tostring(dur("1s") + time.SECOND), "2s")
eq(tostring(time.SECOND + dur("1s")), "2s")
eq(tostring(dur("1s") - "500ms"), "500ms")
raises("out of range", function() return dur(math.maxinteger) + dur(1) end)
raises("out of range", function() return dur(math.mininteger) - dur(1) end)
raises("duration", function() return d + {} end)
raises("duration", function() return d + "x" end)
raises("duration", function() return d - print end)
eq(dur("60s") == dur("1m"), true)
eq(dur("60s") == dur("61s"), false)
eq(dur("60s") == 60000000000, false)
eq(dur("1s") < dur("2s"), true)
eq(dur("2s") < dur("2s"), false)
eq(dur("2s") <= dur("2s"), true)
eq(dur("3s") > dur("2s"), true)
eq(dur("3s") >= dur("4s"), false)
eq(dur("3s") < 4 * time.SECOND, true)

-- Locations
eq(time.utc:string(), "UTC")
eq(tostring(time.utc), "UTC")
eq(time.localtz:string(), "Local")
eq(time.load_location("UTC"), time.utc)
eq(time.load_location("Local"), time.localtz)
fails(errors.NOT_FOUND, false, "Invalid/Location",
      time.load_location("Invalid/Location"))
fails(errors.NOT_FOUND, false, nil, time.load_location("../../etc/passwd"))
fails(errors.INVALID, false, nil, time.load_location(""))
raises("string", time.load_location)
raises("string", time.load_location, 5)
local est = time.fixed_zone("EST", -5 * 3600)
eq(est:string(), "EST")
eq(tostring(est), "EST")
eq(est == time.fixed_zone("EST", -18000), true)
eq(est == time.fixed_zone("EST", 0), false)
eq(est == time.utc, false)
eq(time.fixed_zone("", 0):string(), "")
raises("out of range", time.fixed_zone, "X", 86401)
raises("out of range", time.fixed_zone, "X", -86401)
raises("number", time.fixed_zone, "X")
raises("string", time.fixed_zone, 1, 2)
fails(errors.INVALID, false, "256 bytes", time.fixed_zone(("x"):rep(256), 0))
eq(#time.fixed_zone(("x"):rep(255), 86400):string(), 255)
raises("Location", time.utc.string, 5)

-- Dates
local t = time.date(2024, 12, 29, 15, 4, 5, 123456789, time.utc)
eq(type(t), "userdata")
eq(t:year(), 2024)
eq(t:month(), 12)
eq(t:day(), 29)
eq(t:hour(), 15)
eq(t:minute(), 4)
eq(t:second(), 5)
eq(t:nanosecond(), 123456789)
eq(t:weekday(), time.SUNDAY)
eq(t:year_day(), 364)
eq(t:unix(), 1735484645)
eq(t:unix_nano(), 1735484645123456789)
eq(table.concat({t:date()}, "-"), "2024-12-29")
eq(table.concat({t:clock()}, ":"), "15:4:5")
eq(tostring(t), "2024-12-29 15:04:05.123456789 +0000 UTC")
eq(t:location(), time.utc)
eq(tostring(t:location()), "UTC")
eq(t:is_zero(), false)
eq(getmetatable(t), false)
raises(nil, function() t.x = 1 end)
for _, case in ipairs {
  -- what is out of range carries over
  {{2024, 13, 1}, "2025-01-01T00:00:00Z"},
  {{2024, 0, 1}, "2023-12-01T00:00:00Z"},
  {{2024, -11, 1}, "2023-01-01T00:00:00Z"},
  {{2024, 2, 30}, "2024-03-01T00:00:00Z"},
  {{2023, 2, 29}, "2023-03-01T00:00:00Z"},
  {{2024, 3, 0}, "2024-02-29T00:00:00Z"},
  {{1900, 3, 0}, "1900-02-28T00:00:00Z"},
  {{2000, 3, 0}, "2000-02-29T00:00:00Z"},
  {{2024, 1, 366}, "2024-12-31T00:00:00Z"},
  {{2024, 1, 1, 25, 61, 61}, "2024-01-02T02:02:01Z"},
  {{2024, 1, 1, 0, 0, -1}, "2023-12-31T23:59:59Z"},
  {{2024, 1, 1, 0, 0, 0, -1}, "2023-12-31T23:59:59.999999999Z"},
  {{2024, 1, 1, 0, 0, 0, 2500000000}, "2024-01-01T00:00:02.5Z"},
  {{1, 1, 1}, "0001-01-01T00:00:00Z"}, {{0, 2, 29}, "0000-02-29T00:00:00Z"},
  {{-1, 1, 1}, "-0001-01-01T00:00:00Z"}, {{9999, 12, 31}, "9999-12-31T00:00:00Z"},
  {{12345, 6, 7}, "12345-06-07T00:00:00Z"},
} do
  local a = case[1]
  local made = time.date(a[1], a[2], a[3], a[4] or 0, a[5] or 0, a[6] or 0,
                         a[7] or 0, time.utc)
  eq(made:format(time.RFC3339NANO), case[2])
end
eq(time.date(1, 1, 1, 0, 0, 0, 0, time.utc):is_zero(), true)
eq(time.date(1, 1, 1, 0, 0, 0, 1, time.utc):is_zero(), false)
eq(time.date(1970, 1, 1, 0, 0, 1, 0, time.utc):unix(), 1)
eq(time.date(1970, 1, 1, 0, 0, 0, 1, time.utc):unix_nano(), 1)
eq(time.date(2024, 1, 1, 0, 0, 0, 0, est):unix(), 1704067200 + 18000)
eq(time.date(2024, 1, 1):location(), time.localtz)
raises("number", time.date)
raises("number", time.date, 2024, 1)
raises("number", time.date, "x", 1, 1)
raises("integer", time.date, 2024.5, 1, 1)
raises("out of range", time.date, math.maxinteger, 1, 1)
raises("out of range", time.date, 2024, math.mininteger, 1)
raises("out of range", time.date, 2024, 1, 1, math.maxinteger)
raises("out of range", time.date, 10^9, 12, 31, 0, 0, 10^12, 0, time.utc)
raises("Location", time.date, 2024, 1, 1, 0, 0, 0, 0, "UTC")
raises("Location", time.date, 2024, 1, 1, 0, 0, 0, 0, t)

-- Unix seconds
local u = time.unix(1735484645, 0):utc()
eq(u:format_rfc3339(), "2024-12-29T15:04:05Z")
eq(time.unix(0):unix(), 0)
eq(time.unix(0, -1):utc():format(time.RFC3339NANO),
   "1969-12-31T23:59:59.999999999Z")
eq(time.unix(-1, 1500000000):unix_nano(), 500000000)
eq(time.unix(-62135596800, 0):is_zero(), true)
eq(time.unix(5):location(), time.localtz)
eq(time.unix(9223372036, 854775807):unix_nano(), math.maxinteger)
eq(time.unix(-9223372037, 145224192):unix_nano(), math.mininteger)
raises("unix_nano", function() time.unix(9223372036, 854775808):unix_nano() end)
raises("out of range", time.unix, math.maxinteger)
raises("out of range", time.unix, math.mininteger)
raises("number", time.unix)
eq(time.unix(5, math.maxinteger):unix(), 5 + math.maxinteger // 1000000000)
-- every day of 800 years, there and back
local last
for day = -146097, 146097, 61 do
  local at = time.unix(day * 86400, 0):utc()
  local back = time.date(at:year(), at:month(), at:day(), 0, 0, 0, 0, time.utc)
  if back:unix() ~= day * 86400 or (last and at:weekday() ~= (last + 61) % 7) then
    eq(back:unix(), day * 86400)
    eq(at:weekday(), (last + 61) % 7)
  end
  last = at:weekday()
end

-- Arithmetic
eq(t:add(dur("1h")):hour(), 16)
eq(t:add("30m"):minute(), 34)
eq(t:add(time.HOUR):hour(), 16)
eq(t:add("-16h"):format(time.DATE_ONLY), "2024-12-28")
eq(t:add("1ns"):nanosecond(), 123456790)
eq(t:add(math.mininteger):format(time.DATE_ONLY), "1732-09-19")
fails(errors.INVALID, false, "Time:add", t:add("x"))
fails(errors.INVALID, false, "Time:add", t:add(0 / 0))
fails(errors.INVALID, false, "Time:add", t:add())
eq(t:location(), t:add("1s"):location())
local t2 = time.date(2024, 12, 29, 14, 4, 5, 123456789, time.utc)
eq(t:sub(t2):hours(), 1.0)
eq(t2:sub(t):nanoseconds(), -3600000000000)
local far = time.date(3000, 1, 1, 0, 0, 0, 0, time.utc)
eq(far:sub(time.unix(0)):nanoseconds(), math.maxinteger)
eq(time.unix(0):sub(far):nanoseconds(), math.mininteger)
raises("Time", t.sub, t)
raises("Time", t.sub, t, dur("1s"))
eq(t:add_date(1, 2, 3):format(time.DATE_ONLY), "2026-03-04")
eq(t:add_date(0, 0, 0):unix_nano(), t:unix_nano())
eq(time.date(2024, 2, 29, 1, 2, 3, 4, time.utc):add_date(1, 0, 0)
     :format(time.RFC3339NANO), "2025-03-01T01:02:03.000000004Z")
eq(t:add_date(-2024, 0, 0):year(), 0)
raises("number", t.add_date, t, 1)
raises("out of range", t.add_date, t, math.maxinteger, 0, 0)
raises("out of range", t.add_date, t, 10^9, 0, 0)

-- Order
local t1, t3 = time.date(2024, 1, 1, 0, 0, 0, 0, time.utc),
  time.date(2024, 1, 2, 0, 0, 0, 0, time.utc)
local t1b = time.date(2023, 12, 31, 19, 0, 0, 0, est)
eq(t1:before(t3), true)
eq(t3:before(t1), false)
eq(t3:after(t1), true)
eq(t1:after(t1), false)
eq(t1:equal(t1b), true)
eq(t1:equal(t3), false)
eq(t1 == t1b, true)
eq(t1 == t3, false)
eq(t1 == dur("1s"), false)
eq(t1 < t3, true)
eq(t3 < t1, false)
eq(t1 <= t1b, true)
eq(t1 > t3, false)
raises("Time", t.before, t, 5)
raises("Time", function() return t < 5 end)
raises("Time", function() return t < dur("1s") end)

-- Zones
local there = t:in_location(est)
eq(there:hour(), 10)
eq(there:unix_nano(), t:unix_nano())
eq(there:location(), est)
eq(there:utc():hour(), 15)
eq(there:utc():location(), time.utc)
eq(t:in_local():location(), time.localtz)
eq(t:in_local():unix(), t:unix())
eq(t:in_local() == t, true)
raises("Location", t.in_location, t, "UTC")
raises("Location", t.in_location, t)
local lt = time.date(2024, 7, 1, 12, 30, 0, 0, time.localtz)
eq(lt:hour(), 12)
eq(lt:day(), 1)

-- round and truncate, as in Go's examples
local r = time.date(2024, 1, 1, 12, 34, 56, 789000000, time.utc)
for _, case in ipairs {
  {"1ns", "12:34:56.789", "12:34:56.789"}, {"1us", "12:34:56.789", "12:34:56.789"},
  {"1ms", "12:34:56.789", "12:34:56.789"}, {"1s", "12:34:57", "12:34:56"},
  {"2s", "12:34:56", "12:34:56"}, {"1m", "12:35:00", "12:34:00"},
  {"10m", "12:30:00", "12:30:00"}, {"1h", "13:00:00", "12:00:00"},
  {"0s", "12:34:56.789", "12:34:56.789"}, {"-1s", "12:34:56.789", "12:34:56.789"},
} do
  eq(r:round(case[1]):format("15:04:05.999"), case[2], "round " .. case[1])
  eq(r:truncate(case[1]):format("15:04:05.999"), case[3], "truncate " .. case[1])
end
eq(r:round(dur("24h")):format(time.DATE_TIME), "2024-01-02 00:00:00")
eq(time.unix(0, 500000000):round("1s"):unix(), 1)
eq(time.unix(-1, 500000000):round("1s"):unix(), 0)
eq(time.unix(-1, 499999999):truncate("1s"):unix(), -1)
eq(time.unix(-62135596801, 0):truncate("1m"):unix(), -62135596860)
eq(r:round(math.maxinteger):unix() ~= nil, true)
fails(errors.INVALID, false, "round", r:round("x"))
fails(errors.INVALID, false, "truncate", r:truncate())

-- Layouts
local f = time.date(2009, 2, 4, 21, 0, 57, 12345600, time.fixed_zone("PST", -28800))
for _, case in ipairs {
  {"", ""}, {"plain", "plain"}, {time.RFC3339, "2009-02-04T21:00:57-08:00"},
  {time.RFC3339NANO, "2009-02-04T21:00:57.0123456-08:00"},
  {time.RFC822, "04 Feb 09 21:00 PST"}, {time.RFC822Z, "04 Feb 09 21:00 -0800"},
  {time.RFC850, "Wednesday, 04-Feb-09 21:00:57 PST"},
  {time.RFC1123, "Wed, 04 Feb 2009 21:00:57 PST"},
  {time.RFC1123Z, "Wed, 04 Feb 2009 21:00:57 -0800"},
  {time.KITCHEN, "9:00PM"}, {"3:04pm", "9:00pm"}, {"03:04 PM", "09:00 PM"},
  {time.STAMP, "Feb  4 21:00:57"}, {time.STAMP_MILLI, "Feb  4 21:00:57.012"},
  {time.STAMP_MICRO, "Feb  4 21:00:57.012345"},
  {time.STAMP_NANO, "Feb  4 21:00:57.012345600"},
  {time.DATE_TIME, "2009-02-04 21:00:57"}, {time.DATE_ONLY, "2009-02-04"},
  {time.TIME_ONLY, "21:00:57"},
  {"January 2, 2006", "February 4, 2009"}, {"Monday Mon", "Wednesday Wed"},
  {"1/2/06", "2/4/09"}, {"01/02", "02/04"}, {"__2 002", " 35 035"},
  {"_2", " 4"}, {"_2006", "_2009"}, {"__2006", " 35009"},
  {"3 4 5", "9 0 57"}, {"05.000", "57.012"}, {"05,000", "57,012"},
  {"05.999", "57.012"}, {"05.99", "57.01"}, {"05.9", "57"},
  {"05.000000000000", "57.012345600"}, {"05.09", "57.09"}, {".0", ".0"},
  {"Z07 Z0700 Z07:00 Z070000 Z07:00:00",
   "-08 -0800 -08:00 -080000 -08:00:00"},
  {"-07 -0700 -07:00 -070000 -07:00:00",
   "-08 -0800 -08:00 -080000 -08:00:00"},
  {"Month Januaryx Janx Monx", "Month Februaryx Janx Monx"},
  {"Jan.", "Feb."}, {"JanX", "FebX"}, {"MSTx", "PSTx"}, {"é2006\0", "é2009\0"},
  {"\xff", "\xff"},
} do
  eq(f:format(case[1]), case[2], case[1])
end
eq(t:format("Mon Jan 2 15:04:05 MST 2006"), "Sun Dec 29 15:04:05 UTC 2024")
eq(t:format("Z07:00 -07:00 Z07"), "Z +00:00 Z")
eq(t1:format("05.999 .000 ,999"), "00 .000 ")
eq(time.date(2024, 1, 1, 0, 5, 0, 0, time.utc):format(time.KITCHEN), "12:05AM")
eq(time.date(2024, 1, 1, 12, 5, 0, 0, time.utc):format(time.KITCHEN), "12:05PM")
local odd = time.date(2024, 1, 1, 0, 0, 0, 0, time.fixed_zone("", 20705))
eq(odd:format("MST -07:00:00 Z0700"), "+0545 +05:45:05 +0545")
eq(#f:format(("2006"):rep(20000)), 80000)
eq(#f:format(("MST"):rep(5000)), 15000)
raises("string", f.format, f)
raises("string", f.format, f, 5)
eq(f:format_rfc3339(), "2009-02-04T21:00:57-08:00")
eq(tostring(f), "2009-02-04 21:00:57.0123456 -0800 PST")

-- Reading: layout, text, what it is in UTC (nil: the zone is Local's)
for _, case in ipairs {
  {time.RFC3339, "2024-12-29T15:04:05Z", "2024-12-29T15:04:05Z"},
  {time.RFC3339, "2024-12-29T15:04:05.5Z", "2024-12-29T15:04:05.5Z"},
  {time.RFC3339, "2024-12-29T15:04:05,25+02:00", "2024-12-29T13:04:05.25Z"},
  {time.RFC3339NANO, "2024-12-29T15:04:05.123456789-08:00",
   "2024-12-29T23:04:05.123456789Z"},
  {time.RFC822Z, "04 Feb 09 21:00 -0800", "2009-02-05T05:00:00Z"},
  {time.RFC1123, "Wed, 04 Feb 2009 21:00:57 UTC", "2009-02-04T21:00:57Z"},
  {time.RFC1123, "wed, 04 fEB 2009 21:00:57 UTC", "2009-02-04T21:00:57Z"},
  {time.RFC1123, "Wed, 04 Feb 2009 21:00:57 GMT+3", "2009-02-04T21:00:57Z"},
  {time.RFC850, "Wednesday, 04-Feb-09 21:00:57 UTC", "2009-02-04T21:00:57Z"},
  {"2006-01-02 15:04 MST", "2024-01-01 00:00 XYZ", "2024-01-01T00:00:00Z"},
  {"2006-01-02 15:04 -07", "2024-01-01 00:00 +05", "2023-12-31T19:00:00Z"},
  {"06 Z07", "68 Z", "2068-01-01T00:00:00Z"},
  {"06 Z07", "69 Z", "1969-01-01T00:00:00Z"},
  {"2006 002 Z07", "2024 060 Z", "2024-02-29T00:00:00Z"},
  {"2006 002 Z07", "2023 060 Z", "2023-03-01T00:00:00Z"},
  {"2006 002 Z07", "2024 366 Z", "2024-12-31T00:00:00Z"},
  {"2006 __2 Z07", "2024  60 Z", "2024-02-29T00:00:00Z"},
  {"2006 January _2 Z07", "2024 february  9 Z", "2024-02-09T00:00:00Z"},
  {"2006-1-2 3:4:5 PM Z07", "2024-2-3 4:5:6 PM Z", "2024-02-03T16:05:06Z"},
  {"3PM Z07", "12AM Z", "0000-01-01T00:00:00Z"},
  {"3pm Z07", "12pm Z", "0000-01-01T12:00:00Z"},
  {"2006   Z07", "2024 Z", "2024-01-01T00:00:00Z"},
  {"15:04:05.000 Z07", "01:02:03.123 Z", "0000-01-01T01:02:03.123Z"},
  {"15:04:05.999 Z07", "01:02:03 Z", "0000-01-01T01:02:03Z"},
  {"15:04:05 Z07", "01:02:03.1234567891234 Z",
   "0000-01-01T01:02:03.123456789Z"},
  {"2006-01-02T15:04:05.999999999Z", "2024-01-01T12:34:56.789Z", nil},
} do
  local got, err = time.parse(case[1], case[2])
  eq(err, nil, case[2])
  if case[3] then
    eq(got:utc():format(time.RFC3339NANO), case[3], case[2])
  else
    eq(got:location(), time.localtz)
  end
end
local p = time.parse(time.DATE_TIME, "2024-12-29 15:04:05")
eq(p:year(), 2024)
eq(p:hour(), 15)
eq(p:location(), time.localtz)
p = time.parse(time.DATE_TIME, "2024-12-29 15:04:05", est)
eq(p:location(), est)
eq(p:utc():hour(), 20)
p = time.parse(time.RFC3339, "2024-12-29T15:04:05-05:00", est)
eq(p:location(), est)
p = time.parse(time.RFC3339, "2024-12-29T15:04:05+01:00", est)
eq(p:location():string(), "")
eq(p:format("-07:00"), "+01:00")
p = time.parse(time.RFC1123, "Wed, 04 Feb 2009 21:00:57 EST", est)
eq(p:location(), est)
eq(p:utc():format(time.DATE_TIME), "2009-02-05 02:00:57")
p = time.parse(time.RFC1123, "Wed, 04 Feb 2009 21:00:57 GMT-8", est)
eq(p:format("MST -0700"), "GMT-8 -0800")
p = time.parse("2006 MST -0700", "2024 CET +0100", est)
eq(p:location():string(), "CET")
for _, case in ipairs {
  {"2006-01-02", "invalid-date"}, {"2006-01-02", ""}, {"2006-01-02", "2024"},
  {"2006-01-02", "2024-13-01"}, {"2006-01-02", "2024-00-01"},
  {"2006-01-02", "2024-02-30"}, {"2006-01-02", "2023-02-29"},
  {"2006-01-02", "2024-01-00"}, {"2006-01-02", "2024-01-32"},
  {"2006-01-02", "2024-1-02"}, {"2006-01-02", "24-01-02"},
  {"2006-01-02", "2024-01-02x"}, {"2006-01-02", "x2024-01-02"},
  {"2006-01-02", "2024/01/02"}, {"15:04", "24:00"}, {"15:04", "12:60"},
  {"15:04:05", "12:00:60"}, {"15:04:05", "12:00:6"}, {"3:04PM", "13:00PM"},
  {"3:04PM", "1:00XM"}, {"3:04PM", "1:00pm"}, {"3:04PM", "1:00"},
  {"Jan", "Foo"}, {"January", "Jan"}, {"Mon", "Xyz"}, {"Monday", "Mon"},
  {"Z07:00", "+25:00"}, {"Z07:00", "+01:61"}, {"Z07:00", "0100"},
  {"Z07:00", "+0100"}, {"-0700", "Z"}, {"-07:00:00", "+01:00"},
  {"MST", "xyz"}, {"MST", "AB"}, {"MST", "ABCDEFG"}, {"MST", "ABCD"},
  {"05.000", "01.12"}, {"05.000", "01"}, {"05.999", "01.x"},
  {"2006 002", "2023 366"}, {"2006 002", "2024 367"}, {"2006 002", "2024 000"},
  {"2006 002", "2024 01"}, {"2006-01 002", "2024-03 001"},
  {"2006-01-02 002", "2024-01-02 001"}, {"2006", "202x"}, {"06", "x4"},
  {"a b", "axb"}, {"", "x"}, {"x", ""}, {"2006", "\xff\0\27[31m"},
  {("2006"):rep(2000), "x"}, {"2006", ("x"):rep(10000)},
} do
  local got, err = time.parse(case[1], case[2])
  eq(got, nil, case[1] .. " " .. case[2])
  local e = fails(errors.INVALID, false, "time.parse", got, err)
  ok(not tostring(e):find("%c"))
end
raises("string", time.parse)
raises("string", time.parse, "2006")
raises("string", time.parse, 5, "2024")
raises("Location", time.parse, "2006", "2024", "UTC")
-- what was written is read back
for sec = -9000000000, 9000000000, 123456789 do
  local at = time.unix(sec, 987654321):utc()
  for _, layout in ipairs {time.RFC3339NANO,
                           "Mon Jan _2 15:04:05.000000000 2006 Z0700"} do
    local back = time.parse(layout, at:format(layout))
    if not back or back:unix_nano() ~= at:unix_nano() then
      eq(back, at, at:format(layout))
    end
  end
end

-- now
local n1 = time.now()
local n2 = time.now()
eq(type(n1), "userdata")
ok(n1:year() >= 2024)
ok(n2:sub(n1):nanoseconds() >= 0)
ok(n1 <= n2)
eq(n1:location(), time.localtz)
eq(n1:add("5s"):sub(n1):seconds(), 5.0)
eq(n1:utc():sub(n1):nanoseconds(), 0)
eq(n1:round(0):sub(n1:round(0)):nanoseconds(), 0)
ok(math.abs(n1:unix() - os.time()) <= 2)
eq(time.now():is_zero(), false)

-- Methods want a Time.
for _, name in ipairs {
  "add", "sub", "add_date", "before", "after", "equal", "format",
  "format_rfc3339", "unix", "unix_nano", "date", "clock", "year", "month",
  "day", "hour", "minute", "second", "nanosecond", "weekday", "year_day",
  "is_zero", "utc", "in_local", "in_location", "location", "round", "truncate",
} do
  local method = t[name]
  eq(type(method), "function", name)
  raises("Time", method)
  raises("Time", method, 5)
  raises("Time", method, dur("1s"))
  raises("Time", method, {})
end

check.done()
