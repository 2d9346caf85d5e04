-- terminal-kind.lua - nor does a kind, a context or a name.
-- status: 1
-- args: --cpu 1s --memory 16MiB
local e = errors.new {message = "m\r\8", kind = "\27[2Jkind\7"}
error(errors.wrap(e, "\27P context\27\\"))
