-- error-in-tasks.lua - the second time may be in another task.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local done = channel.new()
for i = 1, 3 do
  coroutine.spawn(function()
    pcall(string.rep, "x", 1 << 28)
    done:send(i)
  end)
end
for _ = 1, 3 do done:receive() end
print "survived"
