-- giant.lua - a frame that says it has 2^62 bytes.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: giant
-- stdout: 1009
local client = assert(require "websocket".connect(arg[1]))
assert(not client:channel():receive())
print(client:close_info().code)
