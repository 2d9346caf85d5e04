-- close-in-iterator.lua - the fourth value of a generic for is closed.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local guard = setmetatable({}, {__close = function() while true do end end})
for _ in function() end, nil, nil, guard do end
print "survived"
