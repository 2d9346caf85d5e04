-- json-pattern-properties.lua - every pattern for every key.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local json = require 'json'
local v, pp = {}, {}
for i = 1, 2000 do v[('k'):rep(30) .. i] = i end
for i = 1, 200 do pp['^(k|kk|kkk)*' .. i .. '$'] = true end
while true do json.validate(v, {patternProperties = pp}) end
