-- string-library.lua - the same for the library of strings.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
for _, lib in ipairs {string, table, math, utf8, coroutine, os} do
  for k in pairs(lib) do
    if lib ~= string or k ~= "find" then lib[k] = function() return "fake" end end
  end
end
local time, json = require "time", require "json"
assert(json.decode('{"a":"b"}').a == "b")
assert(time.parse_duration("1h"):hours() == 1)
assert(tostring(errors.wrap("x", "y")) == "y: x")
assert(not require "websocket".connect("not a url"))
print "contained"
