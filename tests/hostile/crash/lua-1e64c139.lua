-- lua-1e64c139.lua - coroutines that close coroutines that close coroutines.
-- status: 0
-- args: --cpu 2s --memory 64MiB
-- stdout: fine
local coro = false
for _ = 1, 1000 do
  local previous = coro
  coro = coroutine.create(function()
    local v <close> = setmetatable({}, {__close = function()
      if previous then
        assert(coroutine.close(previous))
      end
    end})
    coroutine.yield()
  end)
  assert(coroutine.resume(coro))
end
local ok, err = coroutine.close(coro)
assert(not ok and tostring(err):find("C stack overflow"))
print "fine"
