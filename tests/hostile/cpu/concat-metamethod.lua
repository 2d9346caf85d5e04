-- concat-metamethod.lua - __concat makes something to concatenate.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local m = {}
m.__concat = function(a, b) return setmetatable({}, m) end
local a = setmetatable({}, m)
while true do local _ = a .. a end
