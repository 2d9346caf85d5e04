-- one-ephemerons.lua - an ephemeron table whose keys hang on each other, which
-- the collector goes through again and again, in one step.
-- status: 10
-- args: --cpu 200ms --memory 32MiB
local t = setmetatable({}, {__mode = "k"})
local keys = {}
for i = 1, 30000 do keys[i] = {} end
for i = 1, 29999 do t[keys[(i * 7919) % 30000 + 1]] = keys[i] end
local first = keys[1]
keys = nil
while true do local garbage = {{}, {}, {}} end
