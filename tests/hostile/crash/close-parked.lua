-- close-parked.lua - a coroutine that waits inside another task is neither
-- resumed nor closed by hand.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
local time, ch = require "time", channel.new()
local inner, outer
coroutine.spawn(function()
  outer = coroutine.create(function()
    inner = coroutine.create(function() return ch:receive() end)
    return coroutine.resume(inner)
  end)
  local ok, a, b = coroutine.resume(outer)
  assert(ok and a == true and b == "value")
  ch:send "done"
end)
time.sleep("1ms")
for _, co in ipairs {inner, outer} do
  for _ = 1, 3 do
    assert(not coroutine.resume(co, "forged"))
    assert(not pcall(coroutine.close, co))
    assert(coroutine.status(co) ~= "suspended")
  end
end
ch:send "value"
assert(ch:receive() == "done")
print "fine"
