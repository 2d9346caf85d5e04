---@meta time

---Times, durations, zones and timers, as in Go.
---@class time
---@field NANOSECOND 1 nanoseconds
---@field MICROSECOND 1000 nanoseconds
---@field MILLISECOND 1000000 nanoseconds
---@field SECOND 1000000000 nanoseconds
---@field MINUTE 60000000000 nanoseconds
---@field HOUR 3600000000000 nanoseconds
---@field RFC3339 string a layout
---@field RFC3339NANO string a layout
---@field RFC822 string a layout
---@field RFC822Z string a layout
---@field RFC850 string a layout
---@field RFC1123 string a layout
---@field RFC1123Z string a layout
---@field DATE_TIME string a layout
---@field DATE_ONLY string a layout
---@field TIME_ONLY string a layout
---@field KITCHEN string a layout
---@field STAMP string a layout
---@field STAMP_MILLI string a layout
---@field STAMP_MICRO string a layout
---@field STAMP_NANO string a layout
---@field JANUARY 1
---@field FEBRUARY 2
---@field MARCH 3
---@field APRIL 4
---@field MAY 5
---@field JUNE 6
---@field JULY 7
---@field AUGUST 8
---@field SEPTEMBER 9
---@field OCTOBER 10
---@field NOVEMBER 11
---@field DECEMBER 12
---@field SUNDAY 0
---@field MONDAY 1
---@field TUESDAY 2
---@field WEDNESDAY 3
---@field THURSDAY 4
---@field FRIDAY 5
---@field SATURDAY 6
---@field utc time.Location
---@field localtz time.Location the zone of this machine
local time = {}

---A number of nanoseconds (`5 * time.SECOND`), a text like "1h30m", or a
---Duration.
---@alias time.DurationLike number|string|time.Duration

---A length of time.  Compares with `==`, `<` and `<=`.
---@class time.Duration
---@operator add(time.DurationLike): time.Duration
---@operator sub(time.DurationLike): time.Duration
local Duration = {}

---All of it in hours.
---@return number
---@nodiscard
function Duration:hours() end

---All of it in minutes.
---@return number
---@nodiscard
function Duration:minutes() end

---All of it in seconds.
---@return number
---@nodiscard
function Duration:seconds() end

---All of it in milliseconds.
---@return integer
---@nodiscard
function Duration:milliseconds() end

---All of it in microseconds.
---@return integer
---@nodiscard
function Duration:microseconds() end

---All of it in nanoseconds.
---@return integer
---@nodiscard
function Duration:nanoseconds() end

---A time zone.
---@class time.Location
local Location = {}

---Its name.
---@return string
---@nodiscard
function Location:string() end

---A moment, with the zone it is shown in.  Compares with `==`, `<` and `<=`.
---@class time.Time
local Time = {}

---Later by a duration.
---@param duration time.DurationLike
---@return time.Time|nil time
---@return errors.Error|nil err
---@nodiscard
function Time:add(duration) end

---How long it is since another moment.
---@param other time.Time
---@return time.Duration
---@nodiscard
function Time:sub(other) end

---The same clock on another day; what is too much carries over.
---@param years integer
---@param months integer
---@param days integer
---@return time.Time
---@nodiscard
function Time:add_date(years, months, days) end

---Is it before another moment?
---@param other time.Time
---@return boolean
---@nodiscard
function Time:before(other) end

---Is it after another moment?
---@param other time.Time
---@return boolean
---@nodiscard
function Time:after(other) end

---Is it the same moment, in whatever zone?
---@param other time.Time
---@return boolean
---@nodiscard
function Time:equal(other) end

---As text, by a layout of Go: how "Mon Jan 2 15:04:05 MST 2006" would look.
---@param layout string
---@return string
---@nodiscard
function Time:format(layout) end

---As "2006-01-02T15:04:05Z07:00".
---@return string
---@nodiscard
function Time:format_rfc3339() end

---Seconds since 1970.
---@return integer
---@nodiscard
function Time:unix() end

---Nanoseconds since 1970.  Raises before 1677 and after 2262.
---@return integer
---@nodiscard
function Time:unix_nano() end

---@return integer year
---@return integer month
---@return integer day
---@nodiscard
function Time:date() end

---@return integer hour
---@return integer minute
---@return integer second
---@nodiscard
function Time:clock() end

---@return integer
---@nodiscard
function Time:year() end

---@return integer
---@nodiscard
function Time:month() end

---@return integer
---@nodiscard
function Time:day() end

---@return integer
---@nodiscard
function Time:hour() end

---@return integer
---@nodiscard
function Time:minute() end

---@return integer
---@nodiscard
function Time:second() end

---@return integer
---@nodiscard
function Time:nanosecond() end

---0 is Sunday: `time.SUNDAY`.
---@return integer
---@nodiscard
function Time:weekday() end

---1 to 366.
---@return integer
---@nodiscard
function Time:year_day() end

---Is it the first moment of year 1, UTC?
---@return boolean
---@nodiscard
function Time:is_zero() end

---The same moment in UTC.
---@return time.Time
---@nodiscard
function Time:utc() end

---The same moment in the zone of this machine.
---@return time.Time
---@nodiscard
function Time:in_local() end

---The same moment in another zone.
---@param location time.Location
---@return time.Time
---@nodiscard
function Time:in_location(location) end

---@return time.Location
---@nodiscard
function Time:location() end

---To the nearest multiple of a duration since year 1.
---@param duration time.DurationLike
---@return time.Time|nil time
---@return errors.Error|nil err
---@nodiscard
function Time:round(duration) end

---Down to a multiple of a duration since year 1.
---@param duration time.DurationLike
---@return time.Time|nil time
---@return errors.Error|nil err
---@nodiscard
function Time:truncate(duration) end

---Fires once.
---@class time.Timer
local Timer = {}

---Receives one Time when it fires.
---@return channel.Channel
---@nodiscard
function Timer:channel() end

---The same as `channel()`.
---@return channel.Channel
---@nodiscard
function Timer:response() end

---Was it still to fire?
---@return boolean pending
function Timer:stop() end

---Starts it anew; was it still to fire?
---@param duration time.DurationLike
---@return boolean|nil pending
---@return errors.Error|nil err
function Timer:reset(duration) end

---Fires again and again; a slow reader loses ticks.
---@class time.Ticker
local Ticker = {}

---Receives a Time at each tick.
---@return channel.Channel
---@nodiscard
function Ticker:channel() end

---The same as `channel()`.
---@return channel.Channel
---@nodiscard
function Ticker:response() end

---No more ticks: the channel ends.
---@return true
function Ticker:stop() end

---Now, with a monotonic reading: `sub` of two of them never goes back.
---@return time.Time
---@nodiscard
function time.now() end

---A moment by seconds since 1970.
---@param sec integer
---@param nsec? integer
---@return time.Time
---@nodiscard
function time.unix(sec, nsec) end

---A moment by what a clock shows; what is too much carries over.
---@param year integer
---@param month integer
---@param day integer
---@param hour? integer
---@param minute? integer
---@param second? integer
---@param nanosecond? integer
---@param location? time.Location
---@return time.Time
---@nodiscard
function time.date(year, month, day, hour, minute, second, nanosecond, location) end

---Reads a time by a layout of Go.
---@param layout string
---@param value string
---@param location? time.Location where the text names no zone; this machine's by default
---@return time.Time|nil time
---@return errors.Error|nil err
---@nodiscard
function time.parse(layout, value, location) end

---@param duration time.DurationLike
---@return time.Duration|nil duration
---@return errors.Error|nil err
---@nodiscard
function time.parse_duration(duration) end

---A zone by its name in the IANA database, like "Europe/Paris".
---@param name string
---@return time.Location|nil location
---@return errors.Error|nil err
---@nodiscard
function time.load_location(name) end

---A zone that is always that far ahead of UTC.
---@param name string
---@param offset integer seconds east of UTC
---@return time.Location
---@nodiscard
function time.fixed_zone(name, offset) end

---Waits.  Other tasks go on.
---@param duration time.DurationLike
---@return true|nil ok
---@return errors.Error|nil err
function time.sleep(duration) end

---A channel that receives one Time after a while.
---@param duration time.DurationLike
---@return channel.Channel|nil channel
---@return errors.Error|nil err
---@nodiscard
function time.after(duration) end

---@param duration time.DurationLike
---@return time.Timer|nil timer
---@return errors.Error|nil err
---@nodiscard
function time.timer(duration) end

---@param duration time.DurationLike
---@return time.Ticker|nil ticker
---@return errors.Error|nil err
---@nodiscard
function time.ticker(duration) end

return time
