-- errors-deep-stack.lua - an error from the bottom of a deep stack, looked at for ever.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local function f(n) if n == 0 then return errors.new 'x' end return (f(n - 1)) end
local e = f(150000)
while true do errors.call_stack(e) e:stack() tostring(e) end
