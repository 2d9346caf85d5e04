-- error-in-sort.lua - memory runs out inside a comparator.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local hold = {}
local function fill() while true do hold[#hold + 1] = ("x"):rep(1000) .. #hold end end
while true do pcall(table.sort, {3, 2, 1}, fill) end
