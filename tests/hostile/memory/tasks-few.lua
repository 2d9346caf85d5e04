-- tasks-few.lua - a lower limit on tasks.
-- status: 0
-- args: --max-tasks 5 --cpu 1s --memory 8MiB
-- stdout: 4
local n = 0
for _ = 1, 10 do
  if pcall(coroutine.spawn, function() require "time".sleep("1h") end) then
    n = n + 1
  end
end
require "time".sleep("1ms")
print(n)
