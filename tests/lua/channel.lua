-- channel.lua - channels and select, with Go's semantics.
local check = require "check"
local time = require "time"
local eq, ok, raises = check.eq, check.ok, check.raises

-- Runs the other tasks until all of them wait, were one of them interrupted.
local function settle()
  time.sleep("2ms")
  for _ = 1, 20 do time.sleep(0) end
end

-- making
eq(channel, require "channel")
eq(channel.new():capacity(), 0)
eq(channel.new(nil):capacity(), 0)
eq(channel.new(10000):capacity(), 10000)
eq(#channel.new(3), 0)
eq(type(channel.new()), "userdata")
for _, size in ipairs {-1, 10001, math.mininteger, math.maxinteger} do
  local _, err = pcall(channel.new, size)
  eq(err:kind(), errors.INVALID)
  check.has(tostring(err), "expected 0 to 10000")
end
raises("number expected", channel.new, {})
raises("no integer representation", channel.new, 1.5)

-- a buffer, first in first out; every value is a value
do
  local ch = channel.new(6)
  local t = {}
  for _, v in ipairs {1, "two", false, t, 5.5} do
    eq(ch:send(v), true)
  end
  eq(ch:send(nil), true)
  eq(#ch, 6)
  for _, want in ipairs {1, "two", false, t, 5.5} do
    local v, got = ch:receive()
    eq(v, want)
    eq(got, true)
  end
  eq(#ch, 1)
  eq(select("#", ch:receive()), 2)
  eq(#ch, 0)
  -- around the ring many times
  for i = 1, 50 do
    ch:send(i)
    ch:send(-i)
    eq((ch:receive()), i)
    eq((ch:receive()), -i)
  end
end

-- closing: what is there is drained, then nil, false for ever
do
  local ch = channel.new(2)
  ch:send("a")
  ch:send(nil)
  ch:close()
  ch:close()
  raises("send on closed channel", ch.send, ch, 1)
  eq(#ch, 2)
  eq((ch:receive()), "a")
  local v, got = ch:receive()
  eq(v, nil)
  eq(got, true)
  for _ = 1, 3 do
    v, got = ch:receive()
    eq(v, nil)
    eq(got, false)
  end
end

-- a rendezvous: the sender goes on when somebody has received
do
  local ch, log = channel.new(), {}
  coroutine.spawn(function()
    log[#log + 1] = "sending"
    eq(ch:send(nil), true)
    log[#log + 1] = "sent"
  end)
  settle()
  eq(table.concat(log, " "), "sending")
  eq(select("#", ch:receive()), 2)
  settle()
  eq(table.concat(log, " "), "sending sent")
end

-- receivers are served in the order they came, and so are senders
do
  local ch, order = channel.new(), {}
  for i = 1, 20 do
    coroutine.spawn(function()
      local v = ch:receive()
      order[v] = i
    end)
  end
  settle()
  for v = 1, 20 do ch:send(v) end
  settle()
  for i = 1, 20 do eq(order[i], i) end

  for i = 1, 20 do
    coroutine.spawn(function() ch:send(i) end)
  end
  settle()
  for i = 1, 20 do eq((ch:receive()), i) end
end

-- a waiting sender's value goes in behind those in the buffer
do
  local ch = channel.new(2)
  coroutine.spawn(function()
    for i = 1, 6 do ch:send(i) end
    ch:close()
  end)
  settle()
  eq(#ch, 2)
  for i = 1, 6 do eq((ch:receive()), i) end
  eq(select(2, ch:receive()), false)
end

-- close wakes all receivers, and all senders with an error
do
  local ch, woken, failed = channel.new(), 0, 0
  for _ = 1, 5 do
    coroutine.spawn(function()
      local v, got = ch:receive()
      ok(v == nil and got == false)
      woken = woken + 1
    end)
    coroutine.spawn(function()
      local r = channel.select {ch:case_receive(), channel.new():case_receive()}
      ok(r.channel == ch and r.value == nil and r.ok == false)
      woken = woken + 1
    end)
  end
  settle()
  ch:close()
  settle()
  eq(woken, 10)
  ch = channel.new()
  for i = 1, 5 do
    coroutine.spawn(function()
      raises("send on closed channel", ch.send, ch, i)
      failed = failed + 1
    end)
    coroutine.spawn(function()
      raises("send on closed channel", channel.select,
             {ch:case_send(i), channel.new():case_receive()})
      failed = failed + 1
    end)
  end
  settle()
  ch:close()
  settle()
  eq(failed, 10)
  eq(select(2, ch:receive()), false)
end

-- select: a default only when nothing is ready
do
  local a, b = channel.new(1), channel.new(1)
  local r = channel.select {a:case_receive(), default = true}
  eq(r.default, true)
  eq(r.ok, true)
  eq(r.channel, nil)
  r = channel.select {default = true}
  eq(r.default, true)
  b:send("x")
  r = channel.select {a:case_receive(), b:case_receive(), default = true}
  eq(r.default, nil)
  eq(r.channel, b)
  eq(r.value, "x")
  eq(r.ok, true)
  r = channel.select {a:case_send("y"), default = true}
  eq(r.channel, a)
  eq(r.ok, true)
  eq(r.value, nil)
  eq(#a, 1)
  r = channel.select {a:case_send("z"), default = true}
  eq(r.default, true)
  eq((a:receive()), "y")
  raises("no case", channel.select, {})
  raises("no case", channel.select, {default = false})
  a:close()
  r = channel.select {a:case_receive()}
  eq(r.channel, a)
  eq(r.ok, false)
  raises("send on closed channel", channel.select, {a:case_send(1)})
end

-- select waits, in both directions, and leaves nothing behind
do
  local a, b = channel.new(), channel.new()
  coroutine.spawn(function() settle() b:send("late") end)
  local r = channel.select {a:case_receive(), b:case_receive()}
  eq(r.channel, b)
  eq(r.value, "late")
  coroutine.spawn(function() settle() eq((a:receive()), "given") end)
  r = channel.select {a:case_send("given"), b:case_receive()}
  eq(r.channel, a)
  eq(r.ok, true)
  eq(channel.select {a:case_send(1), b:case_send(1), a:case_receive(),
                     b:case_receive(), default = true}.default, true)
  -- nil travels through select too
  coroutine.spawn(function() channel.select {a:case_send(nil)} end)
  r = channel.select {a:case_receive()}
  eq(r.value, nil)
  eq(r.ok, true)
end

-- a case is good for any number of selects, also for several at once
do
  local ch = channel.new(100)
  local put, take = ch:case_send("again"), ch:case_receive()
  for _ = 1, 100 do channel.select {put} end
  eq(#ch, 100)
  for _ = 1, 100 do eq(channel.select({take}).value, "again") end
  local got, done = 0, channel.new()
  for _ = 1, 10 do
    coroutine.spawn(function()
      for _ = 1, 10 do
        channel.select {take, take}
        got = got + 1
      end
      done:send(true)
    end)
  end
  for _ = 1, 100 do channel.select {put} end
  for _ = 1, 10 do done:receive() end
  eq(got, 100)
  eq(#ch, 0)
end

-- two selects meet, and one select does not meet itself
do
  local a, b = channel.new(), channel.new()
  local both = {a:case_send("from"), a:case_receive()}
  eq(channel.select {both[1], both[2], default = true}.default, true)
  local sent, received = 0, 0
  local done = channel.new()
  for _ = 1, 2 do
    coroutine.spawn(function()
      for _ = 1, 50 do
        local r = channel.select {a:case_send("from"), a:case_receive()}
        if r.value then received = received + 1 else sent = sent + 1 end
      end
      done:send(true)
    end)
  end
  done:receive()
  done:receive()
  eq(sent, 50)
  eq(received, 50)
  eq(b:capacity(), 0)
end

-- fair: each ready case is picked equally often.  Of 4000 draws among 4 the
-- expectation is 1000, and 7 standard deviations are 192.
do
  local chs, cases, hits = {}, {}, {}
  for i = 1, 4 do
    chs[i] = channel.new(1)
    chs[i]:send(i)
    cases[i] = chs[i]:case_receive()
    hits[i] = 0
  end
  for _ = 1, 4000 do
    local r = channel.select(cases)
    hits[r.value] = hits[r.value] + 1
    r.channel:send(r.value)
  end
  for i = 1, 4 do ok(hits[i] > 808 and hits[i] < 1192, hits[i]) end
  -- sending and receiving alike, and closed channels too
  local closed, room = channel.new(), channel.new(4000)
  closed:close()
  local ended = 0
  for _ = 1, 4000 do
    local r = channel.select {closed:case_receive(), room:case_send(1)}
    ended = ended + (r.channel == closed and 1 or 0)
  end
  ok(ended > 1778 and ended < 2222, ended)
end

-- a parked select is woken by the first that comes, whatever its place
do
  for wanted = 1, 5 do
    local cases, chs = {}, {}
    for i = 1, 5 do
      chs[i] = channel.new()
      cases[i] = chs[i]:case_receive()
    end
    coroutine.spawn(function() chs[wanted]:send(wanted) end)
    eq(channel.select(cases).channel, chs[wanted])
    for i = 1, 5 do
      eq(channel.select {chs[i]:case_send(1), default = true}.default, true)
    end
  end
end

-- with time
do
  local ch = channel.new()
  local timeout = time.after("5ms")
  local r = channel.select {ch:case_receive(), timeout:case_receive()}
  eq(r.channel, timeout)
  eq(r.ok, true)
  eq(select(2, timeout:receive()), false)
  raises("fed by the host", timeout.send, timeout, 1)
  raises("fed by the host", timeout.case_send, timeout, 1)
  raises("fed by the host", timeout.close, timeout)
end

-- pipelines: nothing is lost, nothing is doubled
do
  local jobs, results, done = channel.new(7), channel.new(), channel.new()
  for _ = 1, 9 do
    coroutine.spawn(function()
      while true do
        local job, more = jobs:receive()
        if not more then break end
        results:send(job * job)
      end
      done:send(true)
    end)
  end
  coroutine.spawn(function()
    for i = 1, 1000 do jobs:send(i) end
    jobs:close()
  end)
  coroutine.spawn(function()
    for _ = 1, 9 do done:receive() end
    results:close()
  end)
  local sum, n = 0, 0
  while true do
    local v, more = results:receive()
    if not more then break end
    sum, n = sum + v, n + 1
  end
  eq(n, 1000)
  eq(sum, 333833500)
end

-- values survive collection while they wait
do
  local ch = channel.new(10)
  for i = 1, 10 do ch:send({text = ("x"):rep(100) .. i}) end
  local parked = channel.new()
  for i = 11, 15 do
    coroutine.spawn(function() parked:send({text = ("x"):rep(100) .. i}) end)
  end
  settle()
  local garbage
  for i = 1, 20000 do garbage = {i, {garbage and #garbage}} end
  for i = 1, 10 do eq(ch:receive().text, ("x"):rep(100) .. i) end
  for i = 11, 15 do eq(parked:receive().text, ("x"):rep(100) .. i) end
end

-- what channels are not
do
  local ch = channel.new()
  raises("channel expected", ch.send, ch:case_receive(), 1)
  raises("channel expected", ch.receive, {})
  raises(nil, function() ch.new_field = 1 end)
  raises("read-only", function() channel.new = 1 end)
  raises("expected ch:case_receive", channel.select, {ch})
  raises("table expected", channel.select, ch:case_receive())
  eq(getmetatable(ch), false)
  eq(getmetatable(ch:case_receive()), false)
end

check.done()
