-- memory-while-parked.lua - memory runs out while values are handed over.
-- status: 0 11
-- args: --cpu 5s --memory 2MiB
local time = require "time"
local chans = {}
for i = 1, 20 do
  local ch = channel.new(i % 3)
  chans[i] = ch
  coroutine.spawn(function()
    while true do
      local v = ch:receive()
      pcall(string.rep, v, 5000)
    end
  end)
end
local hold = {}
for round = 1, 200 do
  for i = 1, 20 do pcall(chans[i].send, chans[i], ("x"):rep(round * 10)) end
  pcall(function() hold[#hold + 1] = ("y"):rep(20000) .. round end)
  time.sleep(1000)
end
