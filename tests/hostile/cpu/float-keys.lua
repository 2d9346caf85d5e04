-- float-keys.lua - floats and integers as keys that meet in one place.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
while true do
  local t = {}
  for i = 1, 20000 do
    t[2.0^(i % 1023) * (1 + i)] = i
    t[i << 40] = i
  end
end
