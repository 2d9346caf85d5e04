-- os-date.lua - dates by the kilobyte.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
while true do
  pcall(os.date, ("%c"):rep(10000))
  pcall(os.date, "*t", 2^40)
  pcall(os.time, {year = 2^31, month = 2^31 - 1, day = 2^31 - 1})
end
