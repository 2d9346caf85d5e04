-- env.lua - another _ENV is no other world.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
local assert, print, pcall, getmetatable = assert, print, pcall, getmetatable
local string_rep, set = string.rep, setmetatable
do
  local _ENV = {}
  x = 1
  assert(x == 1 and print)
  _ENV = set({}, {__index = function(_, k) return k end})
  assert(load == "load" and io == "io")
end
local _ENV <const> = {}
assert(pcall(function() y = 2 end) and y == 2)
print "contained"
