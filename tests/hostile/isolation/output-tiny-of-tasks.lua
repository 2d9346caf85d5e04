-- output-tiny-of-tasks.lua - the same from thousands of tasks.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
for i = 1, 9000 do coroutine.spawn(function() while true do print 'x' end end) end
require 'time'.sleep('1h')
