-- one-in-close-of-wrap.lua - a coroutine that fails while its variables close,
-- for ever.
-- status: 10
-- args: --cpu 100ms --memory 16MiB
local m = {}
m.__close = function()
  local again <close> = setmetatable({}, m)
  while true do pcall(error) end
end
while true do
  pcall(coroutine.wrap(function()
    local v <close> = setmetatable({}, m)
    error "x"
  end))
end
