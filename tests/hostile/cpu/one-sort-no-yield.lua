-- one-sort-no-yield.lua - a comparator that cannot be suspended, in a task
-- among others.
-- status: 10
-- args: --cpu 100ms --memory 16MiB
local t = {}
for i = 1, 1000 do t[i] = i % 7 end
for _ = 1, 5 do
  coroutine.spawn(function()
    while true do
      pcall(table.sort, t, function(a, b)
        for _ = 1, 10000 do end
        return a < b
      end)
    end
  end)
end
require "time".sleep("1h")
