-- ping-flood.lua - pings without end cost the sender more than us.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: ping_flood
-- stdout: fine
local client = assert(require "websocket".connect(arg[1]))
require "time".sleep("50ms")
client:close()
print "fine"
