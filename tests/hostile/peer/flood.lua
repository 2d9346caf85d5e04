-- flood.lua - messages without end, to a script that does not read.
-- status: 0
-- args: --cpu 500ms --memory 8MiB
-- server: flood
-- stdout: fine
local websocket, time = require "websocket", require "time"
local client = assert(websocket.connect(arg[1], {channel_capacity = 1}))
time.sleep("50ms")
assert(client:channel():receive().data == ("f"):rep(1000))
for _ = 1, 100 do assert(client:channel():receive()) end
client:close()
print "fine"
