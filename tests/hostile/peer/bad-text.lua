-- bad-text.lua - text that is none.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: bad_text
-- stdout: 1007
local client = assert(require "websocket".connect(arg[1]))
assert(not client:channel():receive())
print(client:close_info().code)
