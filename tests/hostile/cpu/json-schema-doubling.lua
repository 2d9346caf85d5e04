-- json-schema-doubling.lua - a schema that refers to the next one twice.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local json = require "json"
local defs = {last = true}
for i = 1, 60 do
  local next = {["$ref"] = "#/$defs/" .. (i == 60 and "last" or "d" .. i + 1)}
  defs["d" .. i] = {allOf = {next, next}}
end
json.validate({["$ref"] = "#/$defs/d1", ["$defs"] = defs}, 1)
print "this is never printed"
