-- one-vararg-select.lua - select over and over, quadratic in its arguments.
-- status: 10
-- args: --cpu 100ms --memory 64MiB
local function sum(...)
  local s = 0
  for i = 1, select("#", ...) do s = s + (select(i, ...)) end
  return s
end
local t = {}
for i = 1, 100000 do t[i] = i end
while true do sum(table.unpack(t)) end
