-- one-concat.lua - one instruction that copies megabytes.
-- status: 10
-- args: --cpu 50ms --memory 48MiB
local s = ("x"):rep(4 << 20)
while true do local _ = s .. s .. "" .. s end
