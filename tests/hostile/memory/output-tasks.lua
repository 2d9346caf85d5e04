-- output-tasks.lua - tasks that print all at once share one limit.
-- status: 13
-- args: --max-output 10KiB --cpu 5s --memory 16MiB
for i = 1, 100 do
  coroutine.spawn(function()
    while true do print(i) require "time".sleep(0) end
  end)
end
require "time".sleep("1h")
