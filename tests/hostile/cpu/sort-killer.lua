-- sort-killer.lua - an order that is made up while it is asked for, to make
-- quicksort slow (McIlroy, "A killer adversary for quicksort").
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local n = 20000
local value, solid, candidate, gas = {}, 0, 1, n + 1
local t = {}
for i = 1, n do t[i], value[i] = i, gas end
pcall(table.sort, t, function(a, b)
  if value[a] == gas and value[b] == gas then
    solid = solid + 1
    if a == candidate then value[a] = solid else value[b] = solid end
  end
  if value[a] == gas then candidate = a elseif value[b] == gas then
    candidate = b end
  return value[a] < value[b]
end)
while true do end
