-- in-many-tasks.lua - CPU time is the script's, however many tasks it has.
-- status: 10
-- args: --cpu 300ms
for _ = 1, 50 do
  coroutine.spawn(function() while true do end end)
end
require "time".sleep("1h")
