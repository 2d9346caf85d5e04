-- tonumber.lua - numbers of a million digits.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local a, b = ("9"):rep(1 << 20), "0x" .. ("f"):rep(1 << 20) .. "p-99999999"
while true do
  local _ = tonumber(a), tonumber(b), tonumber(a, 36)
  _ = pcall(function() return a + 1 end)
end
