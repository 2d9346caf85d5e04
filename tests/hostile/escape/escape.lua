-- escape.lua - what could lead out is not there, or does not lead anywhere.
-- status: 0
-- stdout: contained
for _, name in ipairs {
  "load", "loadstring", "loadfile", "dofile", "collectgarbage", "io", "debug",
  "package"} do
  assert(_G[name] == nil, name)
end
for name in pairs(os) do
  assert(name == "time" or name == "clock" or name == "date" or
         name == "difftime", name)
end
assert(string.dump == nil)
assert(type(getmetatable("")) ~= "table")
-- no finalizer
assert(not pcall(setmetatable, {}, {__gc = function() end}))
-- module tables are read-only, their metatables are hidden
for _, name in ipairs {"websocket", "time", "json", "channel", "errors"} do
  local module = require(name)
  assert(not pcall(function() module.added = 1 end), name)
  assert(type(getmetatable(module)) ~= "table", name)
end
-- nothing above the script's folder
for _, name in ipairs {"../run", "..run", "/etc/passwd", "a/../../b", "", ".",
                       "hostile.escape\0x"} do
  assert(not pcall(require, name), name)
end
-- no address to build on
assert(not tostring(print):find("0x") and not tostring({}):find("0x"))
print "contained"
