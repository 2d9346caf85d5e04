-- questions-in-tasks.lua - a thousand tasks ask at the same time, and each gets
-- its own answer.
-- status: 0
-- args: --cpu 5s --memory 32MiB
-- stdout: fine
local security = require "security"
local ch = channel.new(10)
for i = 1, 1000 do
  coroutine.spawn(function()
    local a = security.new_actor("actor " .. i, {n = i})
    ch:send {i, a and a:id(), a and a:meta().n}
  end)
end
for _ = 1, 1000 do
  local r = ch:receive()
  assert(r[2] == nil or (r[2] == "actor " .. r[1] and r[3] == r[1]))
end
print "fine"
