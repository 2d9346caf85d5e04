-- yield-from-task.lua - a task cannot yield to nobody.
-- status: 1
-- args: --cpu 1s --memory 16MiB
-- stderr: outside a coroutine
coroutine.yield(1)
