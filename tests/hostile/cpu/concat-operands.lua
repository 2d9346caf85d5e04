-- concat-operands.lua - one instruction that copies megabytes.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local s = ('x'):rep(1 << 18)
while true do
  local t = s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s .. s
end
