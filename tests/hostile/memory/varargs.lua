-- varargs.lua - arguments that are passed on and on.
-- status: 10 11
-- args: --memory 16MiB --cpu 200ms
local function more(...) return more(1, 2, 3, 4, 5, 6, 7, 8, ...) end
while true do pcall(more) end
