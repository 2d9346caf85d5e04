-- channel-buffers.lua - full channels that are emptied and filled.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local ch = channel.new(10000)
while true do
  for i = 1, 10000 do ch:send(i) end
  for _ = 1, 10000 do ch:receive() end
end
