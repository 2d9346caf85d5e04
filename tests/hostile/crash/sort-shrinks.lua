-- sort-shrinks.lua - the order function empties, and changes, what is sorted.
-- status: 0
-- args: --cpu 2s
-- stdout: whole
local function descending(n)
  local t = {}
  for i = 1, n do t[i] = n - i end
  return t
end
local t = descending(1000)
pcall(table.sort, t, function(a, b)
  t[#t] = nil
  return a ~= nil and b ~= nil and a < b
end)
t = descending(1000)
pcall(table.sort, t, function()
  for i = 1, #t do t[i] = nil end
  return true
end)
t = descending(1000)
pcall(table.sort, t, function(a, b)
  setmetatable(t, {__index = function() return 1 end,
                   __newindex = function() end})
  return a < b
end)
t = descending(1000)
for i = 1, 1000, 3 do t[i] = 0 / 0 end
pcall(table.sort, t)
pcall(table.sort, t, function(a, b) return not (a > b) end)
print "whole"
