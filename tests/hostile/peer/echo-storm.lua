-- echo-storm.lua - tasks that send, receive, ping and close all at once.
-- status: 0
-- args: --cpu 5s --memory 16MiB
-- server: echo
-- stdout: fine
local websocket, time = require "websocket", require "time"
for round = 1, 5 do
  local client = assert(websocket.connect(arg[1], {control_messages = true,
                                                   channel_capacity = 1}))
  for i = 1, 20 do
    coroutine.spawn(function()
      client:send(("x"):rep(i * 100))
      client:ping("p")
    end)
    coroutine.spawn(function() client:channel():receive() end)
  end
  coroutine.spawn(function()
    time.sleep("5ms")
    client:close(4000, "enough")
    client:close()
  end)
  time.sleep("10ms")
end
print "fine"
