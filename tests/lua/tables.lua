-- tables.lua - table functions: lies about lengths, and turns.
local check = require "check"
local eq, ok, raises = check.eq, check.ok, check.raises
local time = require "time"

local function list(...) return table.concat({...}, ",") end

-- as in Lua
do
  local t = {1, 2, 3}
  table.insert(t, 4)
  table.insert(t, 1, 0)
  eq(table.concat(t, ","), "0,1,2,3,4")
  eq(table.remove(t, 1), 0)
  eq(table.remove(t), 4)
  eq(table.remove(t, 4), nil)
  eq(table.concat(t, ","), "1,2,3")
  eq(table.remove({}), nil)
  raises("position out of bounds", table.insert, t, 5, 1)
  raises("position out of bounds", table.remove, t, 6)
  raises("wrong number of arguments", table.insert, t)
  raises("wrong number of arguments", table.insert, t, 1, 2, 3)
  eq(table.concat(table.move(t, 1, 3, 2), ","), "1,1,2,3")
  eq(table.concat(table.move({1, 2, 3}, 2, 3, 1), ","), "2,3,3")
  eq(table.concat(table.move({1, 2}, 1, 2, 1, {}), ","), "1,2")
  eq(list(table.unpack({1, 2, 3}, 2)), "2,3")
  eq(select("#", table.unpack({}, 1, 3)), 3)
  eq(table.concat({1, 2.5, "x"}, "-"), "1-2.5-x")
  eq(table.concat({}, "x"), "")
  raises("invalid value (nil) at index 2", table.concat, {1, nil, 3}, "", 1, 3)
  raises("too many results to unpack", table.unpack, {}, 1, 1 << 40)
  raises("table expected", table.concat, 1)
end

-- metamethods are honoured
do
  local t = {}
  local proxy = setmetatable({}, {
    __len = function() return #t end,
    __index = function(_, k) return t[k] end,
    __newindex = function(_, k, v) t[k] = v end})
  for i = 1, 20 do table.insert(proxy, 1, i * 7 % 20) end
  table.sort(proxy)
  eq(table.concat(proxy, ","), "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19")
  eq(table.remove(proxy, 1), 0)
  eq(#t, 19)
  eq(list(table.unpack(proxy, 1, 3)), "1,2,3")
end

-- lies: an error, and soon
do
  local max = math.maxinteger
  local liar = setmetatable({}, {__len = function() return max - 1 end,
                                 __index = {}, __newindex = function() end})
  local empty = setmetatable({}, {__len = function() return 1 << 53 end})
  getmetatable(empty).__index = setmetatable({}, {__index = function() return "" end})
  for _, t in ipairs {liar, empty} do
    raises("array too big", table.insert, t, 1, 1)
    raises("array too big", table.remove, t, 1)
    raises("array too big", table.sort, t)
    raises("array too big", table.concat, t)
    raises("too many results", table.unpack, t)
  end
  raises("too many elements to move", table.move, liar, 1, 1 << 53, 2)
  raises("too many elements to move", table.move, empty, 1, 1 << 53, 2, liar)
  raises("too many elements to move", table.move, {}, 1, max - 1, 2)
  raises("too many elements to move", table.move, {}, -1, max, 2)
  -- a border that lies needs no metamethod
  local sparse = {}
  for i = 0, 62 do sparse[1 << i], sparse[(1 << i) + 1] = i, i end
  ok(#sparse > 1 << 40)
  raises("array too big", table.insert, sparse, 1, 1)
  raises("array too big", table.remove, sparse, 1)
  raises("array too big", table.sort, sparse)
  raises("too many results", table.unpack, sparse)
  raises("invalid value (nil) at index", table.concat, sparse)
  -- an error of a metamethod comes first
  raises("mine", table.move, setmetatable({}, {
    __index = function() error "mine" end}), 1, max - 1, 2)
end

-- sort
do
  local function sorted(t, less)
    for i = 2, #t do
      if less and less(t[i], t[i - 1]) or not less and t[i] < t[i - 1] then
        return false
      end
    end
    return true
  end
  local function fill(n, f)
    local t = {}
    for i = 1, n do t[i] = f(i) end
    return t
  end
  local kinds = {
    integers = function() return math.random(0) end,
    few = function() return math.random(3) end,
    floats = function() return math.random() end,
    mixed = function(i) return i % 2 == 0 and math.random(9) or math.random() end,
    strings = function() return tostring(math.random(0)) end,
    up = function(i) return i end,
    down = function(i) return -i end,
    zeros = function(i) return i % 2 == 0 and 0.0 or -0.0 end,
    huge = function(i) return i % 2 == 0 and math.mininteger or math.maxinteger end,
    infinite = function(i) return i % 2 == 0 and 1 / 0 or -1 / 0 end,
  }
  local function more(a, b) return a > b end
  for name, f in pairs(kinds) do
    for _, n in ipairs {0, 1, 2, 3, 4, 7, 8, 9, 100, 101, 1000, 5000} do
      local t = fill(n, f)
      local before, after = {}, {}
      for _, v in ipairs(t) do before[v] = (before[v] or 0) + 1 end
      table.sort(t)
      ok(sorted(t), name)
      for _, v in ipairs(t) do after[v] = (after[v] or 0) + 1 end
      for v, count in pairs(before) do eq(after[v], count, name) end
      eq(#t, n)
      table.sort(t, more)
      ok(sorted(t, more), name)
    end
  end
  raises("attempt to compare", table.sort, {1, "x", 2, 3, 4, 5, 6, 7, 8, 9})
  raises("attempt to compare", table.sort, {{}, {}})
  raises("bad argument #2", table.sort, {1, 2}, 5)
  table.sort({1}, 5) -- not looked at
  -- bad orders: an error, or some permutation
  local function always() return true end
  raises("invalid order function", table.sort, {1, 2, 3, 4}, always)
  raises("invalid order function", table.sort, {1, 2, 3, 4, 5, 6}, always)
  local nan = fill(100, function(i) return i % 7 == 0 and 0 / 0 or i end)
  pcall(table.sort, nan)
  eq(#nan, 100)
  for _ = 1, 100 do
    local t = fill(math.random(50), function(i) return i end)
    local n, sum = #t, 0
    local done, err = pcall(table.sort, t, function() return math.random() < 0.5 end)
    if not done then ok(err:find "invalid order function") end
    for _, v in ipairs(t) do sum = sum + v end
    if done then eq(sum, n * (n + 1) // 2) end
  end
  -- an order function that sorts
  local t = fill(30, function(i) return -i end)
  table.sort(t, function(a, b)
    local u = {3, 1, 2}
    table.sort(u, more)
    eq(u[1], 3)
    return a < b
  end)
  ok(sorted(t))
  -- an order function that fails leaves the next one unharmed
  raises("no", table.sort, fill(9, function(i) return i end),
         function() error "no" end)
  t = fill(9, function(i) return -i end)
  table.sort(t, function(a, b) return a < b end)
  ok(sorted(t))
  -- order functions cannot wait or yield
  raises("cannot wait here", table.sort, {3, 2, 1},
         function() time.sleep("1ms") end)
  coroutine.wrap(function()
    raises("attempt to yield across a C-call boundary", table.sort, {3, 2, 1},
           coroutine.yield)
    eq(coroutine.isyieldable(), true)
  end)()

  -- others run meanwhile
  local turns, stop = 0, false
  coroutine.spawn(function()
    while not stop do
      turns = turns + 1
      time.sleep("100us")
    end
  end)
  time.sleep("1ms")
  for name, f in pairs {numbers = kinds.integers, strings = kinds.strings} do
    local big, before = fill(100000, f), turns
    table.sort(big)
    ok(sorted(big))
    ok(turns > before, name .. ": no other task ran")
    before = turns
    table.sort(big, more)
    ok(sorted(big, more))
    ok(turns > before, name .. " with a function: no other task ran")
  end
  stop = true
end

check.done()
