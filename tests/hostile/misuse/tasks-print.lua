-- tasks-print.lua - lines of many tasks stay whole.
-- status: 0
-- stdout: all 50000 lines
local done = channel.new()
for task = 1, 100 do
  coroutine.spawn(function()
    for _ = 1, 500 do
      print("line", task, ("x"):rep(task))
    end
    done:send(true)
  end)
end
for _ = 1, 100 do done:receive() end
print "all 50000 lines"
