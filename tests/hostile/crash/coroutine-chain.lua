-- coroutine-chain.lua - a task can wait below as many coroutines as C's stack
-- takes.
-- status: 0
-- stdout: 190 deep
local time = require "time"
local ch = channel.new()
local function nest(n, fn)
  if n == 0 then
    return fn()
  end
  local co = coroutine.create(nest)
  local ok, value = coroutine.resume(co, n - 1, fn)
  assert(ok, value)
  assert(coroutine.status(co) == "dead")
  return value
end
for deep = 1, 190, 27 do
  coroutine.spawn(function()
    ch:send(nest(deep, function() time.sleep("1ms") return deep end))
  end)
end
for _ = 1, 190, 27 do
  assert(ch:receive() % 27 == 1)
end
-- and be preempted there
assert(nest(190, function()
  local n = 0
  for i = 1, 3000000 do n = n + i % 2 end
  time.sleep("1ms")
  return n
end) == 1500000)
print "190 deep"
