-- tasks-limit.lua - task 10,001 is refused, and the refusal can be caught.
-- status: 0
-- stdout: 9999 spawned
-- args: --memory 256MiB
local wait, spawned = channel.new(), 0
local ok, err
repeat
  ok, err = pcall(coroutine.spawn, function() wait:receive() end)
  spawned = spawned + (ok and 1 or 0)
until not ok
assert(tostring(err):find("too many tasks"))
require "time".sleep("1ms")
wait:close()
require "time".sleep("1ms")
for _ = 1, 1000 do coroutine.spawn(function() end) end
print(spawned .. " spawned")
