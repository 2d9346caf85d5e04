-- deep-upvalues.lua - the same with functions and coroutines.
-- status: 11
-- args: --memory 16MiB --cpu 5s --max-tasks 1000000
local f = print
while true do
  pcall(function()
    local g = f
    f = function() return g end
    local co = coroutine.create(f)
    f = function() return co end
  end)
end
