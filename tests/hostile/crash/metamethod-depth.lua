-- metamethod-depth.lua - metamethods in metamethods, all kinds.
-- status: 0
-- args: --cpu 5s --memory 64MiB
-- stdout: fine
local m = {}
local v = setmetatable({}, m)
m.__add = function(a, b) return a + b end
m.__lt = function(a, b) return a < b end
m.__le = function(a, b) return a <= b end
m.__eq = function(a, b) return setmetatable({}, m) == setmetatable({}, m) end
m.__len = function(a) return #a end
m.__unm = function(a) return -a end
m.__concat = function(a, b) return a .. b end
m.__call = function(f) return f() + 1 end
m.__index = function(t, k) return t[k] end
m.__newindex = function(t, k, x) t[k] = x end
m.__close = function() local w <close> = setmetatable({}, m) end
for i, f in ipairs {
  function() return v + 1 end, function() return v < v end,
  function() return v <= v end,
  function() return v == setmetatable({}, m) end,
  function() return #v end, function() return -v end,
  function() return v .. v end, function() return v() end,
  function() return v.x end, function() v.x = 1 end,
  function() local w <close> = v end} do
  local ok, err = pcall(f)
  assert(not ok and tostring(err):find("overflow"), i)
end
print "fine"
