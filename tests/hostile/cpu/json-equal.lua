-- json-equal.lua - two small tables that take for ever to compare.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local function tree()
  local t = {1}
  for _ = 1, 100 do t = {t, t} end
  return t
end
pcall(require "json".validate, {const = tree()}, tree())
print "survived"
