-- turns-of-channels.lua - two tasks that only wake each other, a turn each.
-- status: 10
-- args: --cpu 400ms --memory 8MiB
-- stderr: CPU limit
-- levels: inprocess
local a, b = channel.new(), channel.new()
coroutine.spawn(function()
  while true do a:send((b:receive())) end
end)
while true do
  b:send(1)
  a:receive()
end
