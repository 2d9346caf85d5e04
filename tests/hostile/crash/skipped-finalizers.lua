-- skipped-finalizers.lua - garbage is collected where C's stack or the memory is
-- used up and no finalizer can be called: the script has done nothing wrong.
-- status: 0
-- stdout: fine
local time = require "time"
local function litter()
  for _ = 1, 100 do
    local c = channel.new(1)
    local t = time.timer("1h")
  end
end
local deepest = 0
local function down(n)
  deepest = math.max(deepest, n)
  if n > 150 then litter() end
  if n > 250 then error "stack overflow, more or less" end -- after a turn of
  -- others C's stack is empty again
  return (("x"):gsub("x", function() return down(n + 1) end))
end
for _ = 1, 5 do
  local ok, err = pcall(down, 1)
  assert(not ok and tostring(err):find "stack overflow", err)
end
assert(deepest > 150)
-- the stack of Lua
local function deep(n)
  if n % 1000 == 0 then litter() end
  return 1 + deep(n + 1)
end
local ok, err = pcall(deep, 1)
assert(not ok and tostring(err):find "stack overflow", err)
-- the script has a warn function no more than it has finalizers
assert(warn == nil and collectgarbage == nil)
-- __close that raises, again and again
local function closes()
  local c <close> = setmetatable({}, {__close = function()
    litter()
    error "in close"
  end})
end
for _ = 1, 20 do assert(not pcall(closes)) end
for _ = 1, 20 do assert(not pcall(coroutine.wrap(closes))) end
print "fine"
