-- connects-with-headers.lua - what thousands of connects have to say waits for nobody in memory that
-- nobody counts.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local ws = require 'websocket'
local h = {}
for i = 1, 7 do h['x-' .. i] = ('v'):rep(1000) end
for i = 1, 9000 do coroutine.spawn(function() while true do ws.connect('ws://127.0.0.1:2/', {headers = h}) end end) end
require 'time'.sleep('1h')
