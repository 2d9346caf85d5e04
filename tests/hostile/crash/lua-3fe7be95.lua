-- lua-3fe7be95.lua - a message handler that is overwritten by what is closed.
-- args: --cpu 100ms --memory 8MiB
-- lua-bug: 3fe7be95
while true do
  local co = coroutine.create(function()
    local v <close> = setmetatable({}, {__close = function()
      local x = 134
      error(x)
    end})
    xpcall(coroutine.yield, function() return "XXX" end)
  end)
  coroutine.resume(co)
  pcall(coroutine.close, co)
end
