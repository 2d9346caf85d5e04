-- wrap-generators.lua - generators in generators.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local function gen(n)
  return coroutine.wrap(function()
    if n == 0 then
      while true do coroutine.yield(1) end
    end
    for v in gen(n - 1) do coroutine.yield(v) end
  end)
end
for _ in gen(40) do end
