-- split-answer.lua - an answer of one byte at a time.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- server: split_answer
-- stdout: after all
local client = assert(require "websocket".connect(arg[1]))
print(client:channel():receive().data)
