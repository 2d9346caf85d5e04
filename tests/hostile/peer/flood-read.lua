-- flood-read.lua - the same, to a script that reads all it can.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- server: flood
local client = assert(require "websocket".connect(arg[1]))
while client:channel():receive() do end
