-- coroutines-few.lua - a lower limit on tasks is one on coroutines as well.
-- status: 0
-- args: --max-tasks 5 --cpu 2s --memory 8MiB
-- stdout: 4	2	1
local function wait() channel.new():receive() end
local all = {}
while pcall(function() all[#all + 1] = coroutine.create(wait) end) do end
local n = #all
all = {}
coroutine.spawn(function() require "time".sleep("1h") end)
coroutine.spawn(function() require "time".sleep("1h") end)
while pcall(function() all[#all + 1] = coroutine.create(wait) end) do end
local beside = #all
all = {}
-- one that runs makes as many as there is room for, and they count for all
local made = coroutine.wrap(function()
  local mine = {}
  while pcall(function() mine[#mine + 1] = coroutine.wrap(wait) end) do end
  return #mine
end)
print(n, beside, made())
