-- metatable-fields.lua - __metatable and __name cannot be used to get at a
-- host object's.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
local time = require "time"
for _, o in ipairs {channel.new(), errors.new("x"), time.now(), time.utc,
    require "json".null, time.parse_duration("1s"), channel.new():case_receive(),
    require "time", require "websocket", channel, errors} do
  assert(not getmetatable(o))
  assert(not pcall(setmetatable, o, {__index = {}}))
  assert(not pcall(function() o.x = 1 end))
  assert(not pcall(rawset, o, "x", 1))
  assert(not pcall(function() return o.__index.x end))
  assert(not pcall(function() return o.__gc(o) end))
  assert(not pcall(function() return o.__metatable.x end))
  if type(o) == "table" then
    assert(next(o) == nil and rawget(o, "new") == nil)
    assert(not pcall(table.insert, o, 1))
    assert(not pcall(table.move, {1, 2}, 1, 2, 1, o))
    assert(not pcall(table.sort, setmetatable({}, {__index = o,
      __newindex = o, __len = function() return 3 end})) or true)
  end
end
print "contained"
