-- select-closed.lua - channels are closed under those who select on them.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
local time = require "time"
for round = 1, 50 do
  local a, b = channel.new(), channel.new(round % 2)
  for i = 1, 5 do
    coroutine.spawn(function()
      pcall(channel.select, {a:case_receive(), b:case_send(i), a:case_send(i)})
    end)
    coroutine.spawn(function()
      local ok = pcall(channel.select, {b:case_send(i), b:case_receive()})
    end)
  end
  time.sleep(1000)
  if round % 3 == 0 then a:close() end
  b:close()
  b:close()
  a:close()
  assert(select(2, a:receive()) == false)
  assert(not pcall(a.send, a, 1))
  assert(not pcall(channel.select, {a:case_send(1)}))
end
print "fine"
