-- tasks.lua - the CPU limit is reached in tasks that start tasks.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local function again()
  coroutine.spawn(again)
  coroutine.spawn(function() while true do end end)
end
pcall(again)
while true do require "time".sleep(0) end
print "survived"
