-- deadlock.lua - a script that can never go on ends, and says where it waits.
-- status: 1
-- stderr: all tasks are asleep
-- stderr: task 1 waits in channel.receive at
-- stderr: deadlock.lua:19
-- stderr: task 2 waits in channel.send at
-- stderr: deadlock.lua:15
-- stderr: task 3 waits in channel.select at
-- stderr: deadlock.lua:17
local ch, never = channel.new(), channel.new()
coroutine.spawn(function()
  local full = channel.new(1)
  full:send(1)

  full:send(2)
end)
coroutine.spawn(function() channel.select {never:case_receive()}
end)
ch:receive()
