-- time-duration-digits.lua - a duration with eight million digits.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local t = require 'time'
local s = '0.' .. ('1'):rep(8 << 20) .. 's'
while true do t.parse_duration(s) end
