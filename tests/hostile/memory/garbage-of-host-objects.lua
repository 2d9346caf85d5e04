-- garbage-of-host-objects.lua - timers, channels, zones and messages that nobody
-- can reach any more make room for the next ones, near the limit too.
-- status: 0
-- args: --memory 4MiB --cpu 10s
-- stdout: all of them
local time, json = require "time", require "json"
local live = {}
for i = 1, 40 do live[i] = ("x"):rep(60000) .. i end
for i = 1, 600 do
  local garbage = {}
  for j = 1, 5 do garbage[j] = ("y"):rep(1000 + j) .. i end
  local timer = assert(time.timer("1h"))
  local ticker = assert(time.ticker("1h"))
  local channel_of_many = channel.new(500)
  for j = 1, 20 do channel_of_many:send(garbage) end
  assert(time.fixed_zone("zone" .. i, 3600))
  local err = errors.new {message = "m" .. i, details = {list = {1, 2, 3}}}
  assert(errors.wrap(err, "context"):details().list[3] == 3)
  assert(json.validate({type = "array", items = {pattern = "^y"}}, garbage))
  assert(time.now():format(time.RFC3339NANO))
end
print("all of them")
