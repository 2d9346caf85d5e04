-- spawn-values.lua - tasks of what is no function.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
for _, v in ipairs {1, "x", {}, true, channel.new(),
    setmetatable({}, {__call = function() end})} do
  assert(not pcall(coroutine.spawn, v))
  assert(not pcall(coroutine.create, v))
  assert(not pcall(coroutine.wrap, v))
  assert(not pcall(coroutine.resume, v))
  assert(not pcall(coroutine.status, v))
  assert(not pcall(coroutine.close, v))
end
coroutine.spawn(print)
coroutine.spawn(select, "#", table.unpack({}, 1, 10000))
coroutine.spawn(coroutine.wrap(function() end))
require "time".sleep("1ms")
print "fine"
