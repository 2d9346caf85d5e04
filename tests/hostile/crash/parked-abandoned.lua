-- parked-abandoned.lua - the end does not wait for coroutines that wait.
-- status: 0
-- stdout: main is done
local time = require "time"
local never = channel.new()
for i = 1, 200 do
  coroutine.spawn(function()
    coroutine.wrap(function()
      local closed <close> = setmetatable({}, {__close = function()
        print "closed too late"
      end})
      if i % 3 == 0 then
        never:receive()
      elseif i % 3 == 1 then
        time.sleep("1h")
      else
        channel.select {never:case_send(i), time.after("1h"):case_receive()}
      end
    end)()
  end)
end
time.sleep("5ms")
for i = 1, 200 do
  local co = coroutine.create(function() never:receive() end)
  coroutine.spawn(function() coroutine.resume(co) end)
end
time.sleep("5ms")
print "main is done"
