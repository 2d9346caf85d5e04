-- callable-circle.lua - two tables that are each other's __call.
-- status: 1 10 11
-- args: --cpu 50ms --memory 16MiB
local a, b = setmetatable({}, {}), setmetatable({}, {})
getmetatable(a).__call, getmetatable(b).__call = b, a
coroutine.wrap(function() pcall(a) end)()
while true do pcall(a) end
