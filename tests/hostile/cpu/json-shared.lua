-- json-shared.lua - a table that is in itself twice, a hundred times over.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local json = require 'json'
local t = {1}
for i = 1, 100 do t = {t, t} end
while true do json.encode(t) end
