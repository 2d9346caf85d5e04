-- stack-overflow-uncaught.lua - with a traceback of bounded length.
-- status: 1
-- args: --memory 256MiB
-- stderr: stack overflow
local function deeper() return 1 + deeper() end
deeper()
