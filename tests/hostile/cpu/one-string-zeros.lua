-- one-string-zeros.lua - strings of zeros, which are compared byte by byte.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
local a = ("\0"):rep(8 << 20)
local b = a .. "y"
while true do local _ = a < b, b < a end
