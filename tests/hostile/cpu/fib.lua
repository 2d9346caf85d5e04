-- fib.lua - honest work that takes too long.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
print("survived", fib(60))
