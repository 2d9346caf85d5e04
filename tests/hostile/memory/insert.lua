-- insert.lua - table.insert without end.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local t = {}
while true do pcall(table.insert, t, {}) end
