-- metamethods.lua - the CPU limit is reached in metamethods.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local spin = function() while true do end end
local t = setmetatable({}, {
  __index = spin, __newindex = spin, __call = spin, __add = spin,
  __concat = spin, __eq = spin, __lt = spin, __len = spin, __unm = spin,
  __tostring = spin, __pairs = spin, __close = spin})
for _, f in ipairs {
  function() return tostring(t) end, function() return t.x end,
  function() t.x = 1 end, function() return t() end,
  function() return t + 1 end, function() return t .. "" end,
  function() return t == setmetatable({}, getmetatable(t)) end,
  function() return t < t end, function() return #t end,
  function() return -t end, function() for _ in pairs(t) do end end,
  function() local v <close> = t end, function() print(t) end,
  function() return ("%s"):format(t) end, function() table.concat(t) end} do
  pcall(f)
end
print "survived"
