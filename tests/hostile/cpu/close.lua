-- close.lua - the CPU limit is reached in closing coroutines.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local spin = setmetatable({}, {__close = function() while true do end end})
while true do
  local co = coroutine.create(function()
    local a <close> = spin
    local b <close> = spin
    coroutine.yield()
  end)
  coroutine.resume(co)
  pcall(coroutine.close, co)
end
print "survived"
