-- select-thousands.lua - a select of ten thousand cases.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local cases = {default = true}
for i = 1, 10000 do cases[i] = channel.new():case_receive() end
while true do channel.select(cases) end
