-- metamethods-of-sort.lua - the order itself spins, in a metamethod.
-- status: 10
-- args: --cpu 50ms
-- stderr: CPU limit
local spin = {__lt = function() while true do end end}
local t = {}
for i = 1, 3 do t[i] = setmetatable({}, spin) end
pcall(table.sort, t)
print "survived"
