-- close-chain.lua - each close makes a coroutine and closes it.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local function mk(n) return coroutine.create(function()
  local c <close> = setmetatable({}, {__close = function() if n > 0 then local co = mk(n - 1) coroutine.resume(co) coroutine.close(co) end end})
  coroutine.yield() end) end
while true do local co = mk(150) coroutine.resume(co) pcall(coroutine.close, co) end
