-- after-close.lua - messages behind the close frame are not messages.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: after_close
-- stdout: before
local client = assert(require "websocket".connect(arg[1]))
print(client:channel():receive().data)
assert(not client:channel():receive())
