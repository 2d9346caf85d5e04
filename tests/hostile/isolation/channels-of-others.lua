-- channels-of-others.lua - nothing of another script is there to be
-- found.
-- status: 0
-- args: --cpu 1s --memory 8MiB
-- stdout: alone
assert(require "channel" == channel)
local names = {}
for k in pairs(_G) do names[#names + 1] = k end
for _, k in ipairs(names) do
  local v = _G[k]
  assert(type(v) ~= "userdata" and type(v) ~= "thread", k)
end
string.left_behind = true
_G.left_behind = true
table.left_behind = function() end
print "alone"
