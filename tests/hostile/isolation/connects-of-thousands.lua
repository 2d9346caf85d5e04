-- connects-of-thousands.lua - thousands of tasks that are refused at once.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local ws = require 'websocket'
for i = 1, 9000 do coroutine.spawn(function() while true do ws.connect('ws://127.0.0.1:2/') end end) end
require 'time'.sleep('1h')
