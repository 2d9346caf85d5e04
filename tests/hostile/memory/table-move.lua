-- table-move.lua - table.move to where there was nothing.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local t = {1, 2, 3, 4}
while true do pcall(table.move, t, 1, #t, #t + 1) end
