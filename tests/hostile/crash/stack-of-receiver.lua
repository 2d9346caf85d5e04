-- stack-of-receiver.lua - a receiver whose stack is full gets its value.
-- status: 0
-- args: --cpu 5s --memory 64MiB
-- stdout: fine
local ch, time = channel.new(), require "time"
local function receive_deep(n, ...)
  if n == 0 then
    local v, ok = ch:receive(...)
    return v, ok
  end
  return (receive_deep(n - 1, n, ...))
end
for _, depth in ipairs {1, 20, 100, 200} do
  coroutine.spawn(function() ch:send {depth} end)
  assert(receive_deep(depth)[1] == depth)
end
local many = {}
for i = 1, 200000 do many[i] = i end
coroutine.spawn(function() ch:receive(table.unpack(many)) end)
ch:send(1)
coroutine.spawn(function() ch:send(1, table.unpack(many)) end)
assert(ch:receive() == 1)
pcall(time.sleep, 1, table.unpack(many))
print "fine"
