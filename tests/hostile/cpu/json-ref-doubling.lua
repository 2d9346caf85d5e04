-- json-ref-doubling.lua - references that double a hundred times.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local json = require 'json'
local defs = {x0 = {type = 'array'}}
for i = 1, 100 do defs['x' .. i] = {allOf = {{['$ref'] = '#/$defs/x' .. i - 1}, {['$ref'] = '#/$defs/x' .. i - 1}}} end
while true do json.validate({}, {['$defs'] = defs, ['$ref'] = '#/$defs/x100'}) end
