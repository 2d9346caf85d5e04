-- tasks.lua - tasks without end meet the limit on tasks.
-- status: 1
-- stderr: tasks
for i = 1, 20000 do
  coroutine.spawn(function() require "time".sleep("1h") end)
end
