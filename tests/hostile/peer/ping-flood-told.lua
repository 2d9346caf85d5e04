-- ping-flood-told.lua - and when each of them is told, they wait their turn.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: ping_flood
-- stdout: fine
local client = assert(require "websocket".connect(arg[1],
  {control_messages = true, channel_capacity = 2}))
require "time".sleep("20ms")
for _ = 1, 50 do assert(client:channel():receive().type == "ping") end
client:close()
print "fine"
