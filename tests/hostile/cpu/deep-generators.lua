-- deep-generators.lua - turns of coroutines whose stacks are deep.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local function f(n) if n == 0 then coroutine.yield() while true do coroutine.yield() end end return 1 + f(n - 1) end
local cos = {}
for i = 1, 60 do cos[i] = coroutine.wrap(function() f(10000) end) cos[i]() end
while true do for i = 1, 60 do cos[i]() end end
