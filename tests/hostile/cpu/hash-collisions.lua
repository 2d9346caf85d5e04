-- hash-collisions.lua - long strings with the same bytes where it counts,
-- as keys.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
while true do
  local t = {}
  for i = 1, 5000 do
    t[("a"):rep(20) .. i .. ("b"):rep(60)] = i
  end
end
