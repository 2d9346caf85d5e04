-- error-in-wrap.lua - errors that pass through coroutine after coroutine.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local function nest(n)
  if n == 0 then error("x") end
  return coroutine.wrap(nest)(n - 1)
end
while true do pcall(nest, 150) end
