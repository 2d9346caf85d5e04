-- utf8-continuation.lua - bytes that continue what never began.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local s = ('\x80'):rep(8 << 20)
while true do utf8.offset(s, 0, #s) pcall(utf8.offset, s, 2, 1) utf8.len(s, 1, -1, true) end
