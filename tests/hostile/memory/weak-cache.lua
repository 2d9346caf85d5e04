-- weak-cache.lua - memory that only weak tables hold is given back.
-- status: 0
-- args: --memory 8MiB --cpu 5s
-- stdout: fine
local cache = setmetatable({}, {__mode = "v"})
for i = 1, 200000 do cache[i % 1000] = {("x"):rep(100) .. i} end
print "fine"
