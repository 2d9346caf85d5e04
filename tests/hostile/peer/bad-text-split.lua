-- bad-text-split.lua - the same over two frames.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: bad_text_split
-- stdout: 1007
local client = assert(require "websocket".connect(arg[1]))
assert(not client:channel():receive())
print(client:close_info().code)
