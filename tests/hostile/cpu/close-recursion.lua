-- close-recursion.lua - closing opens what has to be closed.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local m = {}
m.__close = function()
  local again <close> = setmetatable({}, m)
end
while true do
  pcall(function() local first <close> = setmetatable({}, m) end)
end
