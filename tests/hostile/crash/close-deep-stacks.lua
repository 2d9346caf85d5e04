-- close-deep-stacks.lua - each of several closings uses all of C's stack it
-- can get.
-- status: 0 10 11
-- args: --cpu 2s --memory 64MiB
local function low(n, f)
  if n == 0 then
    return f()
  end
  return (("x"):gsub("x", function() low(n - 1, f) end))
end
local coro
for _ = 1, 10 do
  local previous = coro
  coro = coroutine.create(function()
    local v <close> = setmetatable({}, {__close = function()
      pcall(low, 180, function()
        if previous then coroutine.close(previous) end
      end)
    end})
    coroutine.yield()
  end)
  coroutine.resume(coro)
end
pcall(coroutine.close, coro)
