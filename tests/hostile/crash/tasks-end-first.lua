-- tasks-end-first.lua - a task that ends leaves nothing to those who wait for
-- it.
-- status: 1
-- stderr: all tasks are asleep
local ch = channel.new()
for _ = 1, 100 do
  coroutine.spawn(function()
    local mine = channel.new()
    mine = nil
  end)
  coroutine.spawn(function() ch:receive() end)
end
coroutine.spawn(function()
  for _ = 1, 50 do ch:send(1) end
end)
ch:receive()
ch:receive()
