-- close-raises.lua - every variable that is closed raises anew.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local guard = setmetatable({}, {__close = function(_, e) error(e or "x", 0) end})
while true do
  pcall(function()
    local a <close>, b <const> = guard, 1
    local c <close> = guard
    local d <close> = guard
    error "start"
  end)
end
