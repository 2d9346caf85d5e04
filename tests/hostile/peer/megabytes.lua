-- megabytes.lua - messages that fit the read limit, but not memory.
-- status: 0 11
-- args: --cpu 10s --memory 4MiB
-- server: megabytes
local client = assert(require "websocket".connect(arg[1],
  {read_limit = 100 << 20, channel_capacity = 1000}))
require "time".sleep("100ms")
local all = {}
while true do
  local m = client:channel():receive()
  if not m then break end
  all[#all + 1] = m
end
