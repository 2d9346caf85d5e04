-- error-of-function-name.lua - a name of megabytes, in the message that Lua
-- makes of it.
-- status: 1
-- args: --cpu 2s --memory 32MiB
-- stderr: attempt to
local name = ("n"):rep(1 << 20)
local t = {}
_ENV[name] = nil
local x = t[name .. "\27[2J"].y
