-- weak-json.lua - an object that the collector empties while it is encoded.
-- status: 0
-- args: --memory 8MiB
-- stdout: done
local json = require "json"
for _ = 1, 100 do
  local t = setmetatable({}, {__mode = "v"})
  for i = 1, 300 do t["key" .. i] = {} end
  local text, err = json.encode(t)
  assert(text and not err)
  t = setmetatable({}, {__mode = "v"})
  for i = 1, 300 do t[i] = {} end
  assert(pcall(json.encode, t))
end
print "done"
