-- gsub-changes.lua - the replacement changes what is replaced from.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- stdout: fine
local s = ("ab"):rep(100)
local garbage = {}
local t = setmetatable({}, {__index = function(_, k)
  garbage = {}
  for i = 1, 100 do garbage[i] = ("x"):rep(100) .. i end
  return k .. k
end})
assert(#s:gsub("a(b)", t) > 0)
for w in s:gmatch("(a)(b)") do s = nil s = ("c"):rep(100) .. w end
local it = ("aaa"):gmatch("a")
local other = coroutine.wrap(function() return it() end)
assert(other() == "a" and it() == "a")
assert(not pcall(string.gsub, "abc", ".", function() return {} end))
assert(not pcall(string.gsub, "abc", "%", "x"))
assert(not pcall(string.gsub, "abc", "[a", "x"))
assert(not pcall(string.gsub, "abc", "a", "%9"))
assert(not pcall(string.find, ("a"):rep(40), ("(a)"):rep(40)))
assert(not pcall(string.find, ("x"):rep(300000), ("x?"):rep(300000)))
print "fine"
