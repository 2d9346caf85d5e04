-- one-ephemeron-chain.lua - the same in the worst order.
-- status: 10
-- args: --cpu 200ms --memory 32MiB
local t = setmetatable({}, {__mode = "k"})
local first = {}
local k = first
for _ = 1, 40000 do
  local next = {}
  t[k] = next
  k = next
end
while true do local garbage = {{}, {}, {}} end
