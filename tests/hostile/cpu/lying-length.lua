-- lying-length.lua - a length of 2^53, believed by nobody.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local t = setmetatable({}, {__len = function() return 1 << 53 end, __index = function() return 'x' end, __newindex = function() end})
while true do
  pcall(table.concat, t) pcall(table.insert, t, 1, 1) pcall(table.remove, t, 1) pcall(table.unpack, t) pcall(table.sort, t)
  pcall(table.move, t, 1, 1 << 53, 2)
end
