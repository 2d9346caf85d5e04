-- differences.lua - doc/lua.md, sentence by sentence.  What is not here is in
-- globals.lua, strings.lua, tables.lua, coroutine.lua and the hostile scripts.
local check = require "check"
local eq, ok, raises, has = check.eq, check.ok, check.raises, check.has
local time = require "time"

-- not there, and added
for _, name in ipairs {"load", "loadstring", "loadfile", "dofile",
                       "collectgarbage", "warn", "io", "debug", "package"} do
  eq(_G[name], nil, name)
end
eq(string.dump, nil)
for name in pairs(os) do
  ok(({time = 1, clock = 1, date = 1, difftime = 1})[name], name)
end
eq(unpack, table.unpack)
eq(type(coroutine.spawn), "function")

-- names of objects
do
  local a, b = {}, {}
  eq(tostring(a), tostring(a))
  eq(("%s"):format(a), tostring(a))
  ok(tostring(a) ~= tostring(b))
  ok(tostring(print):find "^function: %x+$")
  raises("addresses", string.format, "%p", a)
end

-- metatables
raises("__gc", setmetatable, {}, {__gc = print})
do
  local weak = setmetatable({}, {__mode = "k"})
  weak[{}] = 1
  for _ = 1, 100000 do local _ = {} end
  local closed
  do local _ <close> = setmetatable({}, {__close = function() closed = true end}) end
  ok(closed)
end
eq(getmetatable "", false)
eq(getmetatable(time.now()), false)
raises("read-only", rawset, time, "x", 1)
eq(next(rawset({}, "a", 1)), "a")

-- numbers
eq(select("#", math.randomseed()), 0)
eq(select("#", math.randomseed(42)), 0)
do
  math.randomseed(42)
  local first = math.random(0)
  math.randomseed(42)
  eq(math.random(0), first)
  local before = os.clock()
  time.sleep("20ms")
  ok(os.clock() - before < 0.02)
  raises("4096 bytes", os.date, ("x"):rep(4097))
end

-- classes
for c = 128, 255 do
  eq(string.char(c):find "[%a%d%s%p%c%x%g]", nil)
  eq(string.char(c):upper() .. string.char(c):lower(), string.char(c, c))
end

-- tables
raises("array too big", table.sort, setmetatable({}, {
  __len = function() return 1 << 30 end}))
raises("too many elements to move", table.move, {}, 1, 1 << 40, 2)
do -- in one go: a task that looks on never sees the middle of it
  local t, stop = {}, false
  for i = 1, 50000 do t[i] = i end
  coroutine.spawn(function()
    while not stop do
      eq(#t % 2, 0)
      time.sleep("100us")
    end
  end)
  for _ = 1, 20 do
    table.move(t, 1, 50000, 50001)
    table.move({}, 1, 50000, 50001, t)
    time.sleep("100us")
  end
  stop = true
end

-- callbacks
raises("cannot wait here", table.sort, {2, 1}, function() time.sleep("1ms") end)
raises("cannot wait here", string.gsub, "x", "x", function() time.sleep("1ms") end)
raises("cannot wait here", table.concat, setmetatable({}, {
  __len = function() return 1 end,
  __index = function() time.sleep("1ms") end}))

-- coroutines
eq(select(2, coroutine.running()), true)
raises("attempt to yield from outside a coroutine", coroutine.yield)
do
  local co = coroutine.create(function() time.sleep("5ms") return "done" end)
  local status, resumed
  coroutine.spawn(function()
    status = coroutine.status(co)
    resumed = coroutine.resume(co)
  end)
  eq(select(2, coroutine.resume(co)), "done")
  eq(status, "normal")
  eq(resumed, false)
end

-- require: one argument
eq(require("require.answer").name, "require.answer")

-- names in messages and tracebacks are those of Lua
has(select(2, pcall(string.rep)), "bad argument #1 to 'string.rep'")
has(select(2, pcall(setmetatable, 1)), "bad argument #1 to 'setmetatable'")

check.done()
