-- packsize.lua - a format of megabytes, for nothing.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local f = ('!16 i16 Xi16 '):rep(1 << 19)
while true do pcall(string.packsize, f) end
