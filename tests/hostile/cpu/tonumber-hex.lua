-- tonumber-hex.lua - hexadecimal digits by the million.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local s = '0x' .. ('f'):rep(8 << 20) .. '.' .. ('f'):rep(8 << 20)
while true do tonumber(s) end
