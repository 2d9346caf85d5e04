-- negative-length.lua - a length whose first bit is set.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: negative_length
-- stdout: closed
local client = assert(require "websocket".connect(arg[1]))
assert(not client:channel():receive())
local code = client:close_info().code
assert(code == 1002 or code == 1009)
print "closed"
