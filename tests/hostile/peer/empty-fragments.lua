-- empty-fragments.lua - a message of fragments of nothing.
-- status: 0 10
-- args: --cpu 2s --memory 8MiB
-- server: empty_fragments
local client = assert(require "websocket".connect(arg[1]))
require "time".sleep("50ms")
client:close()
