-- json-any-of.lua - thousands of schemas for each of many values.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local json = require 'json'
local e = {}
for i = 1, 5000 do e[i] = {type = 'object', required = {'a' .. i}} end
local v = {}
for i = 1, 200 do v[i] = {} v[i].q = 1 end
while true do json.validate(v, {items = {anyOf = e}}) end
