-- json-schema-exponential.lua - a schema that applies itself twice, and so
-- on down.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local s = {type = "integer"}
for _ = 1, 60 do s = {allOf = {s, s}} end
pcall(require "json".validate, s, 1)
print "survived"
