-- channels-held.lua - a hundred thousand channels that nobody needs take no time at the end.
-- status: 10
-- args: --cpu 200ms --memory 64MiB
-- stderr: CPU limit
local l = {}
for i = 1, 150000 do l[i] = channel.new(1) end
while true do end
