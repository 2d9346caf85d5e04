-- select.lua - the CPU limit is reached in select with default.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local ch = channel.new()
while true do channel.select {ch:case_receive(), default = true} end
print "survived"
