-- time_tasks.lua - sleeping, after, timers and tickers, alone and together.
-- Waits are short, and only lower bounds are looked at: a slow machine passes.
local check = require "check"
local time = require "time"
local eq, ok, raises, fails = check.eq, check.ok, check.raises, check.fails

local function since(start)
  return time.now():sub(start):nanoseconds()
end

-- sleep
local start = time.now()
eq(time.sleep(5 * time.MILLISECOND), true)
ok(since(start) >= 5000000)
start = time.now()
time.sleep("3ms")
ok(since(start) >= 3000000)
start = time.now()
time.sleep(time.parse_duration("3ms"))
ok(since(start) >= 3000000)
eq(time.sleep(0), true)
eq(time.sleep(-5), true)
eq(time.sleep("-1h"), true)
eq(time.sleep(0.5), true)
for _, bad in ipairs {"x", "", 0 / 0, 1 / 0, 2^63, {}, true, print} do
  fails(errors.INVALID, false, "time.sleep", time.sleep(bad))
end
fails(errors.INVALID, false, nil, time.sleep())

-- Sleeping lets the others run, even for no time.
local woke
local done = channel.new(3)
local function woken(gap)
  local order = {}
  for i = 1, 3 do
    coroutine.spawn(function()
      time.sleep((4 - i) * gap)
      order[#order + 1] = i
      done:send(i)
    end)
  end
  for _ = 1, 3 do
    done:receive()
  end
  return table.concat(order, ",")
end
for _, ms in ipairs {4, 40, 400, 4000} do -- who is late to sleep wakes late
  woke = woken(ms * time.MILLISECOND)
  if woke == "3,2,1" then
    break
  end
end
eq(woke, "3,2,1")
local turns = 0
coroutine.spawn(function()
  for _ = 1, 3 do
    turns = turns + 1
    time.sleep(0)
  end
  done:send(true)
end)
for _ = 1, 10 do
  time.sleep(0)
end
eq(turns, 3)
done:receive()

-- Sleeping works inside plain coroutines, and suspends the whole task.
local gen = coroutine.wrap(function()
  for i = 1, 3 do
    time.sleep("1ms")
    coroutine.yield(i)
  end
end)
eq(gen(), 1)
eq(gen(), 2)
eq(gen(), 3)

-- Where nobody can wait it raises, and says so.
raises("cannot wait", function()
  table.sort({2, 1}, function(a, b)
    time.sleep("1ms")
    return a < b
  end)
end)
raises("cannot wait", string.gsub, "x", "x", function() time.sleep("1ms") end)
eq((("x"):gsub("x", function() time.sleep(0) return "y" end)), "y")

-- Many sleepers
local many = channel.new(200)
for i = 1, 200 do
  coroutine.spawn(function()
    time.sleep(i % 7 * 300000 + 1)
    many:send(i)
  end)
end
local sum = 0
for _ = 1, 200 do
  sum = sum + many:receive()
end
eq(sum, 20100)

-- after
start = time.now()
eq(#time.after("1h"), 0)
local ch = time.after("5ms")
eq(ch:capacity(), 1)
local value, open = ch:receive()
eq(open, true)
ok(since(start) >= 5000000)
ok(value:sub(start):nanoseconds() >= 5000000)
ok(value:unix() > 0)
eq(value:location(), time.localtz)
value, open = ch:receive() -- one time, then the end
eq(value, nil)
eq(open, false)
ok(time.after(0):receive())
ok(time.after(-5):receive())
ok(time.after("1ns"):receive())
for _, bad in ipairs {"x", 0 / 0, {}, 2^70} do
  fails(errors.INVALID, false, "time.after", time.after(bad))
end
fails(errors.INVALID, false, nil, time.after())
raises(nil, ch.send, ch, 1)
raises(nil, ch.close, time.after("1h"))

-- A value waits for its reader.
ch = time.after("1ms")
time.sleep("4ms")
eq(#ch, 1)
ok(ch:receive())

-- select
local fast, slow = time.after("3ms"), time.after("1h")
local r = channel.select {fast:case_receive(), slow:case_receive()}
eq(r.channel, fast)
eq(r.ok, true)
eq(type(r.value), "userdata")
r = channel.select {slow:case_receive(), default = true}
eq(r.default, true)
r = channel.select {fast:case_receive(), slow:case_receive()}
eq(r.channel, fast)
eq(r.ok, false)

-- timer
local timer = time.timer("4ms")
start = time.now()
eq(timer:channel(), timer:channel())
eq(timer:channel(), timer:response())
ok(timer:channel():receive())
ok(since(start) >= 3000000)
eq(timer:stop(), false)
eq(timer:reset("2ms"), false)
ok(timer:channel():receive())
timer = time.timer("1h")
eq(timer:stop(), true)
eq(timer:stop(), false)
eq(#timer:channel(), 0)
eq(timer:reset("1ms"), false) -- a stopped timer starts again
ok(timer:channel():receive())
timer = time.timer("1h")
eq(timer:reset("2ms"), true)
ok(timer:channel():receive())
timer = time.timer("1ms") -- fires twice unread: the channel holds one
time.sleep("3ms")
eq(timer:reset("1ms"), false)
time.sleep("3ms")
eq(#timer:channel(), 1)
ok(timer:channel():receive())
eq(#timer:channel(), 0)
for _, bad in ipairs {"x", 0, -1, "0s", "-1s", 0 / 0, {}, print} do
  fails(errors.INVALID, false, "time.timer", time.timer(bad))
  fails(errors.INVALID, false, "time.ticker", time.ticker(bad))
  fails(errors.INVALID, false, "Timer:reset", timer:reset(bad))
end
fails(errors.INVALID, false, nil, time.timer())
fails(errors.INVALID, false, nil, time.ticker())
fails(errors.INVALID, false, nil, timer:reset())
eq(getmetatable(timer), false)
raises(nil, function() timer.x = 1 end)
for _, name in ipairs {"channel", "response", "stop", "reset"} do
  raises("Timer", timer[name])
  raises("Timer", timer[name], {})
end

-- ticker
start = time.now()
local ticker = time.ticker("3ms")
eq(ticker:channel(), ticker:response())
local before
for _ = 1, 4 do
  local at, more = ticker:channel():receive()
  eq(more, true)
  ok(not before or at:after(before))
  before = at
end
ok(since(start) >= 12000000)
-- a slow reader finds one tick, not ten
time.sleep("30ms")
eq(#ticker:channel(), 1)
eq(ticker:channel():capacity(), 1)
ok(ticker:channel():receive())
ok(ticker:channel():receive()) -- and it goes on
eq(ticker:stop(), true)
eq(ticker:stop(), true)
while true do -- a last tick may wait, then the channel ends
  local _, more = ticker:channel():receive()
  if not more then
    break
  end
end
for _, name in ipairs {"channel", "response", "stop"} do
  raises("Ticker", ticker[name])
  raises("Ticker", ticker[name], timer)
end
ticker = time.ticker("1h")
ticker:stop()
eq(select(2, ticker:channel():receive()), false)

-- Stopping a ticker ends whoever waits for it.
ticker = time.ticker("1h")
coroutine.spawn(function()
  local _, more = ticker:channel():receive()
  done:send(more)
end)
time.sleep("1ms")
ticker:stop()
eq(done:receive(), false)

-- Several readers of one ticker each get ticks of their own.
ticker = time.ticker("1ms")
local got = channel.new(10)
for i = 1, 3 do
  coroutine.spawn(function()
    ok(ticker:channel():receive())
    got:send(i)
  end)
end
for _ = 1, 3 do
  got:receive()
end
ticker:stop()

-- The fastest ticker there is harms nobody.
ticker = time.ticker(1)
for _ = 1, 20 do
  ok(ticker:channel():receive())
end
time.sleep("2ms")
ticker:stop()

-- Timers that nobody can reach are collected with their places: far more than
-- are allowed at a time.
for _ = 1, 25000 do
  if not time.timer("1h") then
    error("garbage holds the places of timers")
  end
end

-- The limit: as many as are allowed, then a failure that can be retried.
local held, err = {}, nil
for i = 1, 1000000 do
  local t, e = time.after("1h")
  if not t then
    err = e
    break
  end
  held[i] = t
end
ok(#held > 0)
fails(errors.RATE_LIMITED, true, "time.after", nil, err)
fails(errors.RATE_LIMITED, true, "time.timer", time.timer("1h"))
fails(errors.RATE_LIMITED, true, "time.ticker", time.ticker("1h"))
fails(errors.RATE_LIMITED, true, "time.sleep", time.sleep("1ms"))
fails(errors.RATE_LIMITED, true, "Timer:reset", timer:reset("1ms"))
eq(time.sleep(0), true)

check.done()
