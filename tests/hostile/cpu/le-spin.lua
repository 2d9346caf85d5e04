-- le-spin.lua - "<" and "<=" that never answer.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local m = {__lt = function() while true do end end}
m.__le = m.__lt
local a, b = setmetatable({}, m), setmetatable({}, m)
pcall(function() return a < b end)
pcall(function() return a <= b end)
pcall(table.sort, {a, b, a, b})
pcall(math.max, 1, 2)
print "survived"
