-- time-layout-fraction.lua - a layout with four million digits of a second.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local t = require 'time'
local n, l = t.now(), '05.' .. ('0'):rep(4 << 20)
while true do n:format(l) end
