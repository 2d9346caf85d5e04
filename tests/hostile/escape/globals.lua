-- globals.lua - everything that can be reached from the globals is known.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
local known = {}
for name in ([[_VERSION _G assert error ipairs next pairs pcall print rawequal
  rawget rawlen rawset select setmetatable getmetatable tonumber tostring type
  xpcall require string table math utf8 coroutine os channel errors arg
  unpack]]):gmatch("%S+") do
  known[name] = true
end
for name in pairs(_G) do assert(known[name], name) end
assert(_G._G == _G and _ENV == _G)
for name, value in pairs(os) do
  assert(({time = 1, clock = 1, date = 1, difftime = 1})[name], name)
end
assert(not string.dump and not debug and not io and not load and not package)
-- nothing but tables and functions, and no way through their metatables
local seen = {}
local function walk(v, where)
  if type(v) == "table" and not seen[v] then
    seen[v] = true
    local m = getmetatable(v)
    assert(m == nil or m == false, where)
    for k, x in next, v do walk(x, where .. "." .. tostring(k)) end
  else
    assert(type(v) ~= "userdata" and type(v) ~= "thread", where)
  end
end
walk(_G, "_G")
assert(getmetatable("") == false or getmetatable("") == nil)
print "contained"
