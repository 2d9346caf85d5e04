-- move.lua - moves of the whole range of integers.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local t = setmetatable({}, {__index = function() end,
                            __newindex = function() end})
pcall(table.move, t, 1, math.maxinteger - 1, 2)
pcall(table.move, {}, math.mininteger, -2, 1, t)
while true do end
