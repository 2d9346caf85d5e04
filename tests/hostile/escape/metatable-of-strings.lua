-- metatable-of-strings.lua - the metatable of strings stays as it is.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
assert(type(getmetatable("")) ~= "table")
assert(not pcall(setmetatable, "", {}))
local m = getmetatable(("x"))
assert(m == false or m == nil)
assert(not pcall(function() return ("x") < 1 end))
assert(("x").nothing == nil)
string.mine = function() return "mine" end
assert(("x"):mine() == "mine")
string.mine = nil
print "contained"
