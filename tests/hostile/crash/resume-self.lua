-- resume-self.lua - coroutines that resume, wrap and close themselves and
-- those that resumed them.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
local co
co = coroutine.create(function()
  assert(not coroutine.resume(co))
  assert(not pcall(coroutine.close, co))
  local inner = coroutine.wrap(function()
    assert(not coroutine.resume(co))
    assert(not pcall(coroutine.close, co))
    assert(coroutine.status(co) == "normal")
  end)
  inner()
  assert(not pcall(inner))
end)
assert(coroutine.resume(co))
local w
w = coroutine.wrap(function() w() end)
assert(not pcall(w))
local main = coroutine.running()
assert(not coroutine.resume(main))
assert(not pcall(coroutine.close, main))
coroutine.wrap(function()
  assert(not coroutine.resume(main))
  assert(not pcall(coroutine.close, main))
end)()
print "fine"
