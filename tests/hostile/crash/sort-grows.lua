-- sort-grows.lua - the comparator changes the table that is sorted.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
local t = {}
for i = 1, 100 do t[i] = (i * 7919) % 101 end
pcall(table.sort, t, function(a, b)
  t[#t + 1] = 1
  for i = 1, 100 do t[i] = nil end
  return (a or 0) < (b or 0)
end)
t = {}
for i = 1, 100 do t[i] = i end
pcall(table.sort, t, function(a, b)
  for i = 1, 100 do t[i] = {} end
  return false
end)
local p = setmetatable({}, {__len = function() return 50 end,
  __index = function(_, i) return -i end, __newindex = function() end})
pcall(table.sort, p)
pcall(table.sort, p, function() return coroutine.yield() end)
print "fine"
