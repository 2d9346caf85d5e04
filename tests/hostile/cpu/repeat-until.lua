-- repeat-until.lua - a loop whose condition is the work.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
repeat until false
