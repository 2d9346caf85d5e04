-- deep-spin.lua - a loop on top of as many frames as there can be.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local function f(n) if n == 0 then while true do end end return 1 + f(n - 1) end
f(190000)
