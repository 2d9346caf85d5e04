-- deep-close-spin.lua - thousands of variables to be closed, none of which lets go.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local mt = {__close = function() for i = 1, 1e9 do end end}
local function f(n) local c <close> = setmetatable({}, mt) if n == 0 then error 'x' end return 1 + f(n - 1) end
while true do pcall(f, 20000) end
