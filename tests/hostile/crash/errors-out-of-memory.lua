-- errors-out-of-memory.lua - error objects are made when there is no memory
-- left.
-- status: 11
-- args: --cpu 5s --memory 1MiB
local json, time = require "json", require "time"
local hold = {}
while true do
  pcall(function() while true do hold[#hold + 1] = ("x"):rep(64) .. #hold end end)
  pcall(json.decode, "[")
  pcall(errors.new, "x")
  pcall(errors.wrap, "x", "y")
  pcall(time.parse, "x", "y")
  pcall(channel.new, -1)
end
