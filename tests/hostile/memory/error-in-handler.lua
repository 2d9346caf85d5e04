-- error-in-handler.lua - a message handler that takes more memory.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local hold = {}
local function fill() while true do hold[#hold + 1] = {} end end
while true do xpcall(fill, fill) end
