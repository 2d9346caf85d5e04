-- coroutine.lua - plain coroutines as in Lua, and tasks beside them.
local check = require "check"
local time = require "time"
local eq, ok, raises, has = check.eq, check.ok, check.raises, check.has

-- create, resume, yield, status
do
  local co
  co = coroutine.create(function(a, b)
    eq(coroutine.status(co), "running")
    eq(a, 1)
    eq(b, nil)
    local c, d = coroutine.yield("first", 2)
    eq(c, "c")
    eq(d, "d")
    eq(select("#", coroutine.yield()), 0)
    return "end", nil, 3
  end)
  eq(type(co), "thread")
  eq(coroutine.status(co), "suspended")
  local function same(...)
    local give, want = ..., table.pack(true, select(2, ...))
    local got = table.pack(coroutine.resume(co, table.unpack(give)))
    eq(got.n, want.n)
    for i = 1, want.n do eq(got[i], want[i]) end
  end
  same({1}, "first", 2)
  eq(coroutine.status(co), "suspended")
  same({"c", "d"})
  local last = table.pack(coroutine.resume(co))
  eq(last.n, 4)
  eq(last[2], "end")
  eq(last[4], 3)
  eq(coroutine.status(co), "dead")
  local done, err = coroutine.resume(co)
  eq(done, false)
  eq(err, "cannot resume dead coroutine")
  raises("function expected", coroutine.create, 1)
  raises("coroutine expected", coroutine.resume, 1)
  raises("coroutine expected", coroutine.status, {})
  raises("coroutine expected", coroutine.close, nil)
end

-- errors in coroutines
do
  local co = coroutine.create(function() error({code = 7}) end)
  local done, err = coroutine.resume(co)
  eq(done, false)
  eq(err.code, 7)
  eq(coroutine.status(co), "dead")
  local wrapped = coroutine.wrap(function() error("inside", 0) end)
  has(raises("inside", function() return (wrapped()) end), "coroutine.lua:")
  raises("cannot resume dead coroutine", wrapped)
  local object = errors.new("an object")
  eq(select(2, pcall(coroutine.wrap(function() error(object) end))), object)
  -- wrap closes what the failed coroutine left open
  local closed
  raises("late", coroutine.wrap(function()
    local guard <close> = setmetatable({}, {__close = function(_, e)
      closed = e
    end})
    error("late")
  end))
  has(closed, "late")
  raises("from close", coroutine.wrap(function()
    local guard <close> = setmetatable({}, {__close = function()
      error("from close")
    end})
    error("first")
  end))
end

-- who runs
do
  local main, is_main = coroutine.running()
  eq(type(main), "thread")
  eq(is_main, true)
  eq(coroutine.status(main), "running")
  eq(coroutine.isyieldable(), false)
  eq(coroutine.isyieldable(main), false)
  raises("outside a coroutine", coroutine.yield)
  coroutine.wrap(function()
    local me, mine = coroutine.running()
    eq(mine, false)
    ok(me ~= main)
    eq(coroutine.isyieldable(), true)
    eq(coroutine.status(main), "normal")
    local done, err = coroutine.resume(main)
    eq(done, false)
    eq(err, "cannot resume non-suspended coroutine")
    done, err = coroutine.resume(me)
    eq(err, "cannot resume non-suspended coroutine")
    raises("cannot close a running coroutine", coroutine.close, me)
    raises("cannot close a normal coroutine", coroutine.close, main)
    coroutine.wrap(function()
      eq(coroutine.status(me), "normal")
      raises("cannot close a normal", coroutine.close, me)
    end)()
  end)()
end

-- yields across pcall, xpcall, metamethods, iterators, close
do
  local yield = coroutine.yield
  local t = setmetatable({}, {
    __index = function(_, k) return yield(k) end,
    __newindex = function(_, k, v) yield(v) end,
    __add = function() return yield("add") end,
    __concat = function() return yield("concat") end,
    __eq = function() return yield("eq") end,
    __lt = function() return yield("lt") end,
    __call = function(_, v) return yield(v) end,
    __len = function() return yield("len") end,
    __close = function() yield("close") end})
  local co = coroutine.wrap(function()
    eq(select(2, pcall(yield, "pcall")), "r1")
    eq(select(2, xpcall(yield, error, "xpcall")), "r2")
    eq(t.key, "r3")
    t.key = "assigned"
    eq(t + 1, "r5")
    eq(t .. "x", "r6")
    eq(t == setmetatable({}, getmetatable(t)), true)
    eq(t < t, true)
    eq(t("called"), "r9")
    eq(#t, "r10")
    local steps = 0
    for v in function() return yield("iterator") end do
      eq(v, "r11")
      steps = steps + 1
      if steps == 2 then break end
    end
    do local guard <close> = t end
    local done, err = pcall(function()
      yield("before error")
      error("after yield", 0)
    end)
    eq(done, false)
    eq(err, "after yield")
    done, err = xpcall(function()
      yield("before handled")
      error("x", 0)
    end, function(e) return "handled " .. e end)
    eq(err, "handled x")
    return "finished"
  end)
  local want = {"pcall", "xpcall", "key", "assigned", "add", "concat", "eq",
                "lt", "called", "len", "iterator", "iterator", "close",
                "before error", "before handled", "finished"}
  local give = {nil, "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9",
                "r10", "r11", "r11"}
  for i = 1, #want do eq(co(give[i]), want[i], i) end
  -- where Lua cannot yield
  raises("attempt to yield across a C-call boundary", coroutine.wrap(function()
    table.sort({3, 2, 1}, function() coroutine.yield() end)
  end))
end

-- close
do
  local log = {}
  local function guard(name, fails)
    return setmetatable({}, {__close = function(_, e)
      log[#log + 1] = name .. ":" .. tostring(e)
      if fails then error(fails, 0) end
    end})
  end
  local co = coroutine.create(function()
    local a <close> = guard("a")
    local b <close> = guard("b")
    coroutine.yield()
  end)
  coroutine.resume(co)
  eq(coroutine.close(co), true)
  eq(table.concat(log, " "), "b:nil a:nil")
  eq(coroutine.status(co), "dead")
  eq(coroutine.close(co), true)
  log = {}
  co = coroutine.create(function()
    local a <close> = guard("a")
    local b <close> = guard("b", "b failed")
    coroutine.yield()
  end)
  coroutine.resume(co)
  local done, err = coroutine.close(co)
  eq(done, false)
  eq(err, "b failed")
  eq(table.concat(log, " "), "b:nil a:b failed")
  eq(coroutine.close(coroutine.create(print)), true)
  co = coroutine.create(function() error("dead already", 0) end)
  coroutine.resume(co)
  done, err = coroutine.close(co)
  eq(done, false)
  eq(err, "dead already")
  -- nothing can wait while it is closed
  local waited
  co = coroutine.create(function()
    local a <close> = setmetatable({}, {__close = function()
      waited = select(2, pcall(time.sleep, "1ms"))
    end})
    coroutine.yield()
  end)
  coroutine.resume(co)
  coroutine.close(co)
  has(waited, "cannot wait here")
end

-- spawn: beside the others, in order, with arguments; returns nothing
do
  local log, done = {}, channel.new()
  eq(select("#", coroutine.spawn(function(...)
    eq(select("#", ...), 3)
    log[#log + 1] = select(1, ...)
    local me, is_main = coroutine.running()
    eq(is_main, true)
    eq(coroutine.isyieldable(), false)
    done:send(me)
  end, "first", nil, nil)), 0)
  coroutine.spawn(function() log[#log + 1] = "second" done:send() end)
  eq(#log, 0)
  local task = done:receive()
  done:receive()
  eq(table.concat(log, " "), "first second")
  time.sleep("1ms")
  eq(coroutine.status(task), "dead")
  eq(select(2, coroutine.resume(task)), "cannot resume dead coroutine")
  raises("function expected", coroutine.spawn)
  raises("function expected", coroutine.spawn, {})
  -- a task that spawns, from within a coroutine
  coroutine.wrap(function()
    coroutine.spawn(function() done:send("nested") end)
  end)()
  eq((done:receive()), "nested")
end

-- blocking calls inside coroutines suspend the task, not the coroutine
do
  local ch, log = channel.new(), {}
  local numbers = coroutine.wrap(function()
    while true do
      local v, more = ch:receive()
      if not more then return nil end
      coroutine.yield(v)
    end
  end)
  coroutine.spawn(function()
    for i = 1, 5 do
      time.sleep("100us")
      ch:send(i)
    end
    ch:close()
  end)
  for v in numbers do log[#log + 1] = v end
  eq(table.concat(log, " "), "1 2 3 4 5")

  local function deep(n, fn)
    if n == 0 then return fn() end
    local co = coroutine.wrap(function() return deep(n - 1, fn) end)
    return co()
  end
  eq(deep(30, function() time.sleep("1ms") return "woken" end), "woken")
  coroutine.spawn(function() ch = channel.new() ch:close() end)
  time.sleep("1ms")
  eq(deep(30, function() return select(2, ch:receive()) end), false)
  -- with pcall, metamethods and iterators on the way
  local t = setmetatable({}, {__index = function()
    time.sleep("100us")
    return "slow"
  end})
  eq(deep(5, function()
    return select(2, pcall(function() return t.x end))
  end), "slow")
  eq(deep(5, function()
    return select(2, xpcall(function()
      time.sleep("100us")
      error("x", 0)
    end, function(e) return e .. "!" end))
  end), "x!")
  do
    local closed
    deep(3, function()
      local guard <close> = setmetatable({}, {__close = function()
        time.sleep("100us")
        closed = true
      end})
    end)
    eq(closed, true)
  end
  -- errors on the way back
  raises("from the deep", deep, 10, function()
    time.sleep("100us")
    error("from the deep")
  end)
end

-- a parked coroutine belongs to its task
do
  local ch, inner, outer = channel.new(), nil, nil
  local go = channel.new()
  coroutine.spawn(function()
    outer = coroutine.create(function()
      inner = coroutine.create(function() return ch:receive() end)
      return coroutine.resume(inner)
    end)
    local _, _, v = coroutine.resume(outer)
    go:send(v)
  end)
  time.sleep("1ms")
  for _, co in ipairs {inner, outer} do
    eq(coroutine.status(co), "normal")
    local done, err = coroutine.resume(co, "forged")
    eq(done, false)
    eq(err, "cannot resume non-suspended coroutine")
    raises("cannot close a normal coroutine", coroutine.close, co)
  end
  ch:send("real")
  eq((go:receive()), "real")
  eq(coroutine.status(inner), "dead")
  eq(coroutine.status(outer), "dead")
  -- a coroutine suspended by one task may be continued by another
  local co = coroutine.create(function()
    time.sleep("100us")
    coroutine.yield("one")
    time.sleep("100us")
    return "two"
  end)
  coroutine.spawn(function() go:send(select(2, coroutine.resume(co))) end)
  eq((go:receive()), "one")
  eq(select(2, coroutine.resume(co)), "two")
  -- two tasks at one generator: one is in it, the other is refused
  local slow = coroutine.wrap(function()
    time.sleep("5ms")
    return "mine"
  end)
  coroutine.spawn(function() go:send(slow()) end)
  time.sleep("1ms")
  raises("cannot resume non-suspended coroutine", slow)
  eq((go:receive()), "mine")
end

-- preempted anywhere, nothing changes
do
  local done, sum = channel.new(), 0
  for task = 1, 4 do
    coroutine.spawn(function()
      local gen = coroutine.wrap(function()
        for i = 1, 20000 do
          coroutine.yield(i, task)
        end
      end)
      local mine = 0
      for i, t in gen do
        eq(t, task)
        mine = mine + i
      end
      local text = {}
      for i = 1, 2000 do text[i] = ("%d"):format(i) .. "," end
      eq(#table.concat(text), 8893)
      done:send(mine)
    end)
  end
  for _ = 1, 4 do sum = sum + done:receive() end
  eq(sum, 4 * 200010000)
end

-- a task that never waits does not keep the others from their turn
do
  local stop, turns = false, 0
  coroutine.spawn(function() while not stop do end end)
  for _ = 1, 5 do
    time.sleep("1ms")
    turns = turns + 1
  end
  stop = true
  eq(turns, 5)
end

check.done()
