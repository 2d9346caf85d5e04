-- next-hole.lua - next over a table whose beginning was taken away.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local t = {}
for i = 1, 100000 do t["k" .. i] = i end
while true do
  local k = next(t)
  if not k then break end
  t[k] = nil
end
while true do next(t) end
