-- one-upvalues.lua - closing upvalues of a stack of a hundred thousand values.
-- status: 10
-- args: --cpu 100ms --memory 64MiB
local function many(n, f)
  local a, b, c, d = 1, 2, 3, 4
  local g = function() return a, b, c, d, f end
  if n == 0 then return g end
  return (many(n - 1, g))
end
while true do pcall(many, 15000) end
