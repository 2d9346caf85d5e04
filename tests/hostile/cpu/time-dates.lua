-- time-dates.lua - dates as far away as numbers go.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local t = require 'time'
while true do
  pcall(t.date, math.maxinteger, math.maxinteger, math.maxinteger, math.mininteger, 0, 0, 0, t.utc)
  pcall(function() return t.now():add_date(math.mininteger, math.maxinteger, math.mininteger) end)
  pcall(function() return t.unix(math.mininteger, math.maxinteger):format(t.RFC3339) end)
end
