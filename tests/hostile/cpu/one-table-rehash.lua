-- one-table-rehash.lua - a table that grows by doubling, in one instruction
-- each.
-- status: 10
-- args: --cpu 100ms --memory 64MiB
while true do
  local t = {}
  for i = 1, 1000000 do t[i] = true end
end
