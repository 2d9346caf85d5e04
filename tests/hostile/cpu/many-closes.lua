-- many-closes.lua - a function that has to close thousands of variables.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local guard = setmetatable({}, {__close = function() end})
local function open(n)
  local a <close> = guard
  if n > 0 then
    open(n - 1)
  end
end
while true do pcall(open, 150) end
