-- upper-reverse.lua - functions of strings that are linear, on megabytes.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local s = ("x"):rep(4 << 20)
while true do s:upper():reverse():lower():byte(1, 100) end
