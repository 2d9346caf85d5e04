-- dial-timeout.lua - a server that never answers.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: silent
-- stdout: timeout
local client, err = require "websocket".connect(arg[1],
  {dial_timeout = "50ms"})
assert(not client and err:kind() == errors.INTERNAL and err:retryable())
print(err:details().stage)
