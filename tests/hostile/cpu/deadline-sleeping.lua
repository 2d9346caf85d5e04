-- deadline-sleeping.lua - the deadline comes while everybody sleeps.
-- status: 12
-- args: --deadline 50ms
for _ = 1, 10 do
  coroutine.spawn(function() require "time".sleep("1h") end)
end
pcall(require "time".sleep, "1h")
