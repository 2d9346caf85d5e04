-- channels.lua - the CPU limit is reached in tasks that feed each other.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local a, b = channel.new(), channel.new()
coroutine.spawn(function()
  while true do a:send(b:receive()) end
end)
while true do
  b:send(1)
  a:receive()
end
print "survived"
