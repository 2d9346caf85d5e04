-- deaf.lua - a server that does not read.
-- status: 0
-- args: --cpu 5s --memory 32MiB
-- server: deaf
-- stdout: Timeout
local client = assert(require "websocket".connect(arg[1],
  {write_timeout = "50ms"}))
local ok, err
local message = ("x"):rep(1 << 20)
repeat ok, err = client:send(message) until not ok
assert(err:retryable() == true)
print(err:kind())
