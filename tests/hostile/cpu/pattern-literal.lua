-- pattern-literal.lua - a pattern of a megabyte that nearly matches everywhere.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local p = ('a'):rep(1 << 20) .. 'b'
local s = ('a'):rep(2 << 20)
while true do s:find(p) end
