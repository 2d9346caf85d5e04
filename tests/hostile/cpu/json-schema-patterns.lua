-- json-schema-patterns.lua - matches that take RE2 its slowest way.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local json = require "json"
local text = ("xy"):rep(1000)
while true do
  pcall(json.validate, {pattern = ("(.*x)"):rep(100)}, text)
end
