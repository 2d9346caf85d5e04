-- ticker-storm.lua - tickers of a nanosecond.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local time = require "time"
local tickers = {}
for i = 1, 100 do tickers[i] = time.ticker(1) end
while true do
  for i = 1, 100 do tickers[i]:channel():receive() end
end
