-- eq-chain.lua - values that are compared by comparing values.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local m = {}
m.__eq = function(a, b) return a.next == b.next end
local function list(n)
  local t
  for _ = 1, n do t = setmetatable({next = t}, m) end
  return t
end
local a, b = list(100), list(100)
while true do local _ = pcall(function() return a == b end) end
