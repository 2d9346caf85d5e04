-- varargs.lua - the CPU limit is reached in results by the thousand.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local t = {}
for i = 1, 5000 do t[i] = i end
while true do
  select("#", table.unpack(t))
end
print "survived"
