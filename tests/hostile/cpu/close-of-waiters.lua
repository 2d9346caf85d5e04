-- close-of-waiters.lua - one close wakes thousands.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
while true do
  local ch = channel.new()
  for i = 1, 9000 do coroutine.spawn(function() ch:receive() end) end
  require 'time'.sleep(0)
  ch:close()
  require 'time'.sleep(0)
end
