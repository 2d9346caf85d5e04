-- finalizer-order.lua - objects that keep each other are collected together.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- stdout: fine
local time = require "time"
for i = 1, 3000 do
  local a, b = channel.new(2), channel.new(2)
  a:send(b)
  b:send(a)
  a:send(a:case_receive())
  b:send(b:case_send(a))
  local timer = time.timer("1h")
  local box = channel.new(1)
  box:send(timer:channel())
  local co = coroutine.wrap(function() coroutine.yield(box, a, b, timer) end)
  co()
  if i % 50 == 0 then
    coroutine.spawn(function() co = nil time.sleep(1) end)
  end
end
print "fine"
