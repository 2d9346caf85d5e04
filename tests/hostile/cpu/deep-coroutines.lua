-- deep-coroutines.lua - a loop in a coroutine in a coroutine, each with a deep stack.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local function f(n, g) if n == 0 then return g() end return 1 + f(n - 1, g) end
local function nest(k)
  if k == 0 then while true do end end
  local co = coroutine.wrap(function() f(5000, function() nest(k - 1) return 1 end) end)
  co()
end
nest(60)
