-- early.lua - messages behind the answer, in one packet with it.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: early
-- stdout: one two
local client = assert(require "websocket".connect(arg[1]))
local ch = client:channel()
print(ch:receive().data .. " " .. ch:receive().data)
assert(not ch:receive() and client:close_info().code == 1000)
