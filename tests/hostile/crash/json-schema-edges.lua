-- json-schema-edges.lua - schemas that are none, and far too deep.
-- status: 0
-- args: --cpu 2s --memory 32MiB
-- stdout: fine
local json = require "json"
local self = {}
self.allOf = {self}
local weak = setmetatable({}, {__mode = "v"})
weak.properties = {}
weak.allOf = {{}, {}}
local deep = {}
for _ = 1, 500 do deep = {["not"] = deep} end
for _, schema in ipairs {self, weak, deep, {}, true, false, "", "[", "{}",
    {type = "x"}, {type = {}}, {enum = 1}, {minimum = 0/0}, {minLength = -1},
    {minLength = 1.5}, {required = {1}}, {items = 3}, {properties = {1}},
    {["$ref"] = "#"}, {pattern = "a"}, {allOf = {}}, {uniqueItems = true},
    {maxLength = 1 << 62}, {const = self}, {enum = {self, self}},
    {[{}] = 1}, {[1] = true}, {prefixItems = {true, false}}} do
  for _, value in ipairs {1, "x", {}, {1, 1}, {a = 1}, self, deep, true, 0/0,
      {{}, {}, {}}, {[1] = 1, x = 2}} do
    pcall(json.validate, schema, value)
    pcall(json.validate_string, schema, "[{}, {}]")
  end
  pcall(json.validate, schema, print)
  pcall(json.validate, schema, json.null)
  pcall(json.validate, schema)
end
print "fine"
