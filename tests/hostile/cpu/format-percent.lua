-- format-percent.lua - a format of four million percent signs.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local s = ('%%'):rep(4 << 20)
while true do s:format() end
