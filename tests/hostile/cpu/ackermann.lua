-- ackermann.lua - a function that grows faster than most.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local function a(m, n)
  if m == 0 then return n + 1 end
  if n == 0 then return a(m - 1, 1) end
  return a(m - 1, a(m, n - 1))
end
print("survived", a(4, 2))
