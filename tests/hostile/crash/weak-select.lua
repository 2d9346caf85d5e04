-- weak-select.lua - cases that the collector takes away leave nothing in the
-- queues of the others.
-- status: 0
-- args: --memory 8MiB
-- stdout: done
local a, b, c = channel.new(), channel.new(), channel.new()
local time = require "time"
local kept = {a:case_receive(), c:case_receive()}
local lost
for round = 1, 3000 do
  local weak = setmetatable({kept[1], kept[2], b:case_receive()}, {__mode = "v"})
  coroutine.spawn(function()
    time.sleep("50us")
    channel.select {b:case_send(1), c:case_send(1)}
  end)
  local garbage = ("x"):rep(round % 97 * (20 + round // 1000))
  local ok, err = pcall(channel.select, weak)
  if not ok then
    lost = err
    break
  end
end
-- whoever sends now finds nobody who waits
assert(lost == nil or tostring(lost):find("entry 3 is a nil"), lost)
time.sleep("1ms")
assert(channel.select {c:case_receive(), default = true}.ok)
assert(channel.select {a:case_send(1), default = true}.default)
coroutine.spawn(function() a:send(2) end)
assert(a:receive() == 2)
print "done"
