-- time_zones.lua - zones by name: what clocks show, gaps and overlaps, dates
-- across a change, abbreviations.  The system's database is asked for dates
-- whose rules are history and will not change.
local check = require "check"
local time = require "time"
local eq, has, fails, raises = check.eq, check.has, check.fails, check.raises

local function zone(name)
  local loc, err = time.load_location(name)
  eq(err, nil, name)
  return loc
end

local york, paris = zone "America/New_York", zone "Europe/Paris"
eq(york:string(), "America/New_York")
eq(tostring(york), "America/New_York")
eq(york == zone "America/New_York", true)
eq(york == paris, false)
eq(york == time.fixed_zone("America/New_York", 0), false)
eq(getmetatable(york), false)

-- What clocks show
for _, case in ipairs {
  {"America/New_York", 1704067200, "2023-12-31 19:00:00 EST -0500"},
  {"America/New_York", 1720000000, "2024-07-03 05:46:40 EDT -0400"},
  {"America/New_York", -2717650801, "1883-11-18 12:03:57 LMT -0456"},
  {"Europe/Paris", 1711846799, "2024-03-31 01:59:59 CET +0100"},
  {"Europe/Paris", 1711846800, "2024-03-31 03:00:00 CEST +0200"},
  {"Europe/Paris", 1729990799, "2024-10-27 02:59:59 CEST +0200"},
  {"Europe/Paris", 1729990800, "2024-10-27 02:00:00 CET +0100"},
  {"Asia/Kolkata", 0, "1970-01-01 05:30:00 IST +0530"},
  {"Asia/Kathmandu", 500000000, "1985-11-05 06:23:20 +0530 +0530"},
  {"Asia/Kathmandu", 600000000, "1989-01-05 16:25:00 +0545 +0545"},
  {"Australia/Lord_Howe", 1704067200, "2024-01-01 11:00:00 +11 +1100"},
  {"Australia/Lord_Howe", 1720000000, "2024-07-03 20:16:40 +1030 +1030"},
  {"Pacific/Apia", 1325239199, "2011-12-29 23:59:59 -10 -1000"},
  {"Pacific/Apia", 1325239200, "2011-12-31 00:00:00 +14 +1400"},
  {"Europe/Dublin", 1720000000, "2024-07-03 10:46:40 IST +0100"},
  {"Etc/GMT+5", 0, "1969-12-31 19:00:00 -05 -0500"},
} do
  local t = time.unix(case[2]):in_location(zone(case[1]))
  eq(t:format("2006-01-02 15:04:05 MST -0700"), case[3], case[1])
  eq(t:unix(), case[2])
  eq(t:location(), zone(case[1]))
end
-- a year that no table reaches: by rule
local far = time.date(9024, 7, 1, 12, 0, 0, 0, york)
eq(far:format("2006-01-02 15:04 MST"), "9024-07-01 12:00 EDT")

-- Clocks that were never shown, or twice: as Go decides
for _, case in ipairs {
  {york, {2024, 3, 10, 2, 30, 0}, "2024-03-10T01:30:00-05:00"},
  {york, {2024, 3, 10, 1, 59, 59}, "2024-03-10T01:59:59-05:00"},
  {york, {2024, 3, 10, 3, 0, 0}, "2024-03-10T03:00:00-04:00"},
  {york, {2024, 11, 3, 1, 30, 0}, "2024-11-03T01:30:00-04:00"},
  {york, {2024, 11, 3, 2, 0, 0}, "2024-11-03T02:00:00-05:00"},
  {paris, {2024, 3, 31, 2, 30, 0}, "2024-03-31T03:30:00+02:00"},
  {paris, {2024, 10, 27, 2, 30, 0}, "2024-10-27T02:30:00+01:00"},
} do
  local c = case[2]
  local t = time.date(c[1], c[2], c[3], c[4], c[5], c[6], 0, case[1])
  eq(t:format(time.RFC3339), case[3])
end

-- A day is not always 24 hours
local before = time.date(2024, 3, 9, 12, 0, 0, 0, york)
eq(before:add_date(0, 0, 1):sub(before), time.parse_duration("23h"))
eq(before:add("24h"):format(time.RFC3339), "2024-03-10T13:00:00-04:00")
eq(before:add_date(0, 8, 0):format(time.RFC3339), "2024-11-09T12:00:00-05:00")
eq(time.date(2024, 1, 31, 0, 0, 0, 0, york):add_date(0, 1, 0)
     :format(time.DATE_ONLY), "2024-03-02")

-- Reading
local function parse(layout, text, loc)
  local t, err = time.parse(layout, text, loc)
  eq(err, nil, text)
  return t
end
eq(parse(time.DATE_TIME, "2024-07-01 12:00:00", york):unix(), 1719849600)
eq(parse(time.DATE_TIME, "2024-01-01 12:00:00", york):unix(), 1704128400)
local layout = "2006-01-02 15:04 MST"
eq(parse(layout, "2024-07-01 12:00 EDT", york):unix(), 1719849600)
eq(parse(layout, "2024-07-01 12:00 EST", york):unix(), 1719853200)
eq(parse(layout, "2024-11-03 01:30 EST", york):unix(), 1730615400)
eq(parse(layout, "2024-11-03 01:30 EDT", york):unix(), 1730611800)
eq(parse(layout, "2024-07-01 12:00 CEST", york):unix(), 1719835200)
eq(parse(layout, "2024-07-01 12:00 UTC", york):location(), time.utc)
local t = parse(time.RFC3339, "2024-07-01T12:00:00-04:00", york)
eq(t:location(), york)
eq(parse(time.RFC3339, "2024-07-01T12:00:00-05:00", york):location() == york,
   false)

-- Names
for _, name in ipairs {
  "Nowhere/City", "../../etc/passwd", "/etc/localtime", "Europe/../UTC",
  "Europe", "Europe/", "zone.tab", "Europe/Paris\0", "a b", "\xFF",
  ("a"):rep(129), ("a/"):rep(100000),
} do
  fails(errors.NOT_FOUND, false, "no zone", time.load_location(name))
end
raises("string", time.load_location, {})

check.done()
