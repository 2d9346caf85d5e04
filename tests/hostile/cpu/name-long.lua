-- name-long.lua - a name of sixteen megabytes in every message.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local t = setmetatable({}, {__name = ('x'):rep(1 << 24)})
while true do tostring(t) pcall(function() return t + 1 end) pcall(string.rep, t) end
