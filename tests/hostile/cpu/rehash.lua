-- rehash.lua - a table that is always just too small.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
while true do
  local t = {}
  for i = 1, 70000 do t[-i] = i end
end
