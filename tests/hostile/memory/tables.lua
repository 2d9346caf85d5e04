-- tables.lua - tables without end meet the memory limit.
-- status: 11
-- args: --memory 16MiB
-- stderr: memory limit
local all = {}
while true do
  pcall(function() all[#all + 1] = {{}, {}, {}} end)
end
