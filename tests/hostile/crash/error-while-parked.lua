-- error-while-parked.lua - tasks fail while others wait for what they hold.
-- status: 1
-- args: --cpu 1s --memory 16MiB
-- stderr: boom
local time = require "time"
local ch = channel.new()
for i = 1, 100 do
  coroutine.spawn(function()
    channel.select {ch:case_receive(), ch:case_send(i),
                    time.after("1h"):case_receive()}
  end)
end
coroutine.spawn(function()
  coroutine.wrap(function() time.sleep("1ms") error "boom" end)()
end)
ch:receive()
time.sleep("1h")
