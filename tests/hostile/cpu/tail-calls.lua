-- tail-calls.lua - tail calls take no stack and no end.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local function a(n) return a(n + 1) end
pcall(a, 1)
print "survived"
