-- close-escape.lua - a reason that would do something to a terminal.
-- status: 1
-- args: --cpu 2s --memory 8MiB
-- server: close_escape
-- stderr: \x1b
local client = assert(require "websocket".connect(arg[1]))
client:channel():receive()
error(client:close_info().reason)
