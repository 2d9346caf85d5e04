-- tostring-spin.lua - __tostring and __name where text is made.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local v = setmetatable({}, {__tostring = function() while true do end end})
pcall(tostring, v)
pcall(print, v)
pcall(string.format, "%s", v)
pcall(error, v)
print "survived"
