-- tail-call-of-pcall.lua - tail calls through pcall.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local function a(n)
  if n % 100 == 0 then return true end
  return pcall(a, n + 1)
end
while true do a(1) end
