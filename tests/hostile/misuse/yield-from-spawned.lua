-- yield-from-spawned.lua - neither can a spawned one.
-- status: 1
-- args: --cpu 1s --memory 16MiB
-- stderr: outside a coroutine
coroutine.spawn(coroutine.yield)
require "time".sleep("1s")
