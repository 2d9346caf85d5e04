-- gsub-table.lua - a replacement looked up in a table that spins.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local t = setmetatable({}, {__index = function() while true do end end})
pcall(string.gsub, "abc", ".", t)
print "survived"
