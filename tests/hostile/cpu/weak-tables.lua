-- weak-tables.lua - tables that the collector has to look through.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local t = setmetatable({}, {__mode = "kv"})
while true do
  local k = {}
  t[k] = {k}
  t[#t + 1] = {}
end
