-- json-unique-nested.lua - values that differ in their last corner only, all compared with all.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local json = require 'json'
local function deep(n, last) local t = last for i = 1, n do t = {t} end return t end
local t = {}
for i = 1, 2000 do t[i] = deep(100, i) end
while true do json.validate(t, {uniqueItems = true}) end
