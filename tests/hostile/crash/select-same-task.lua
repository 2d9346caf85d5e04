-- select-same-task.lua - a select that could send to itself.
-- status: 1
-- args: --cpu 1s --memory 16MiB
-- stderr: all tasks are asleep
local ch = channel.new()
channel.select {ch:case_receive(), ch:case_send(1), ch:case_receive(),
                ch:case_send(2)}
