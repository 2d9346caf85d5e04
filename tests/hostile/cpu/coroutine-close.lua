-- coroutine-close.lua - coroutines that are made to be closed.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
while true do
  local co = coroutine.create(function()
    local v <close> = setmetatable({}, {__close = error})
    coroutine.yield()
  end)
  coroutine.resume(co)
  coroutine.close(co)
end
