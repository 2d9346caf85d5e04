-- handler-catches.lua - a message handler that would go on by itself.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local function spin() while true do end end
local function handler() while true do pcall(spin) end end
while true do xpcall(spin, handler) end
