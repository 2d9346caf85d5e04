-- hang-up.lua - the server goes in the middle of a frame.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: hang_up
-- stdout: 1006
local client = assert(require "websocket".connect(arg[1]))
assert(not client:channel():receive())
local info = client:close_info()
assert(info.clean == false)
print(info.code)
assert(client:send("x") == false)
assert(client:ping() == false)
assert(client:close() == true)
