-- insert-front.lua - inserting at the front of a long list.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local t = {}
for i = 1, 100000 do t[i] = i end
while true do
  table.insert(t, 1, 0)
  table.remove(t, 1)
end
