-- close-chain.lua - coroutines that close coroutines do not overflow C's stack.
-- status: 0
-- args: --memory 200MiB --max-tasks 100000
-- stdout: closed
local last
for _ = 1, 20000 do
  local before = last
  last = coroutine.create(function()
    local guard <close> = setmetatable({}, {__close = function()
      if before then
        coroutine.close(before)
      end
    end})
    coroutine.yield()
  end)
  coroutine.resume(last)
end
coroutine.close(last)
last = nil
for _ = 1, 20000 do
  local before = last
  last = coroutine.wrap(function()
    local guard <close> = setmetatable({}, {__close = function()
      if before then
        before()
      end
    end})
    error "next"
  end)
end
pcall(last)
print "closed"
