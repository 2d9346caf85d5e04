-- read-limit.lua - a message over the read limit.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: megabytes
-- stdout: 1009
local client = assert(require "websocket".connect(arg[1], {read_limit = 1000}))
assert(not client:channel():receive())
print(client:close_info().code)
