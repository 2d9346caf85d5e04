-- close-variable.lua - a to-be-closed variable does not outlive the stop.
-- status: 10
-- args: --cpu 300ms
local guard <close> = setmetatable({}, {__close = function()
  while true do end
end})
while true do end
