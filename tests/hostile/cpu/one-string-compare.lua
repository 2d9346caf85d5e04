-- one-string-compare.lua - strings of megabytes that differ at their end.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
local a = ("x"):rep(8 << 20)
local b = a .. "y"
while true do local _ = a < b, a <= b, a == b end
