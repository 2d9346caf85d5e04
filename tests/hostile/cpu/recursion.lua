-- recursion.lua - recursion that fails, again and again.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local function deeper() return 1 + deeper() end
while true do pcall(deeper) end
