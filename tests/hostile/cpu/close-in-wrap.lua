-- close-in-wrap.lua - variables of a coroutine that failed are closed within
-- the limits.
-- status: 10
-- args: --cpu 200ms
-- stderr: CPU limit
pcall(coroutine.wrap(function()
  local forever <close> = setmetatable({}, {__close = function()
    while true do end
  end})
  error "x"
end))
