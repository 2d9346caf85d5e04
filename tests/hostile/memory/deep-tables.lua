-- deep-tables.lua - tables in tables, which the collector must not follow
-- with C's stack.
-- status: 11
-- args: --memory 16MiB --cpu 5s
local t = {}
while true do pcall(function() t = {t, setmetatable({}, {__index = t})} end) end
