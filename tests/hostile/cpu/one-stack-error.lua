-- one-stack-error.lua - a stack overflow with a message handler that overflows
-- the stack.
-- status: 10 11
-- args: --cpu 200ms --memory 64MiB
local function deep() return 1 + deep() end
while true do xpcall(deep, deep) end
