-- one-handler-memory.lua - a message handler of memory errors that has none.
-- status: 10 11
-- args: --cpu 300ms --memory 8MiB
local hold = {}
local function fill() while true do hold[#hold + 1] = ("x"):rep(500) .. #hold end end
local function handler() xpcall(fill, handler) end
while true do xpcall(fill, handler) end
