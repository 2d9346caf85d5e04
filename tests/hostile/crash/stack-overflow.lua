-- stack-overflow.lua - recursion without end is an error like others.
-- status: 0
-- args: --memory 256MiB
-- stdout: fine
local function deeper() return 1 + deeper() end
local ok, err = pcall(deeper)
assert(not ok and err:find("stack overflow"))
assert(not pcall(function() coroutine.wrap(deeper)() end))
local t = setmetatable({}, {})
getmetatable(t).__index = function(_, k) return t[k + 1] end
ok, err = pcall(function() return t[1] end)
assert(not ok and err:find("stack overflow"))
local function nest(n) return coroutine.wrap(nest)(n + 1) end
ok, err = pcall(nest, 1)
assert(not ok and err:find("C stack overflow"))
local function inside() return pcall(inside) end
inside()
assert(not pcall(string.rep, ("("):rep(300), 2^53))
local function sorted() table.sort({1, 2, 3}, sorted) end
assert(not pcall(sorted))
local function replaced() return (("x"):gsub("x", replaced)) end
assert(not pcall(replaced))
local text = setmetatable({}, {})
getmetatable(text).__tostring = function(v) return tostring(v) end
assert(not pcall(tostring, text))
assert(not pcall(print, text))
assert(not pcall(string.format, "%s", text))
print "fine"
