-- long-length.lua - a length in more bytes than it takes.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: long_length
-- stdout: 1002
local client = assert(require "websocket".connect(arg[1]))
assert(not client:channel():receive())
print(client:close_info().code)
