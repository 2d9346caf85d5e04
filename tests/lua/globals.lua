-- globals.lua - what scripts are given, exactly, and what it is wrapped in.
local check = require "check"
local eq, ok, raises, has = check.eq, check.ok, check.raises, check.has

local function names(t)
  local list = {}
  for k in pairs(t) do list[#list + 1] = tostring(k) end
  table.sort(list)
  return table.concat(list, " ")
end

-- allow-lists
eq(names(_G), "_G _VERSION arg assert channel coroutine error errors \z
getmetatable ipairs math next os pairs pcall print rawequal rawget rawlen \z
rawset require select setmetatable string table tonumber tostring type unpack \z
utf8 xpcall")
eq(names(string), "byte char find format gmatch gsub len lower match pack \z
packsize rep reverse sub unpack upper")
eq(names(table), "concat insert move pack remove sort unpack")
-- Debian's Lua has the functions of 5.2 as well; others need not
do
  local old = {"atan2", "cosh", "frexp", "ldexp", "log10", "pow", "sinh", "tanh"}
  local list = names(math) .. " "
  for _, name in ipairs(old) do list = list:gsub("%f[%w]" .. name .. " ", "") end
  eq(list, "abs acos asin atan ceil cos deg exp floor fmod huge log max \z
maxinteger min mininteger modf pi rad random randomseed sin sqrt tan \z
tointeger type ult ")
end
eq(names(utf8), "char charpattern codepoint codes len offset")
eq(names(os), "clock date difftime time")
eq(names(coroutine), "close create isyieldable resume running spawn status \z
wrap yield")
eq(_G._G, _G)
eq(_VERSION, "Lua 5.4")
eq(unpack, table.unpack)
for _, name in ipairs {"load", "loadstring", "loadfile", "dofile", "debug",
                       "collectgarbage", "io", "package", "newproxy", "warn",
                       "getfenv", "setfenv", "module"} do
  eq(_G[name], nil, name)
end
for _, name in ipairs {"execute", "exit", "getenv", "remove", "rename",
                       "setlocale", "tmpname"} do
  eq(os[name], nil, name)
end
eq(string.dump, nil)
eq(("").dump, nil)
eq(type(arg), "table")
eq(#arg, 0)
has(arg[0], "globals.lua")

-- what a module has is there whether or not it was asked for before
do
  local time = require "time"
  eq(time.nothing, nil)
  eq(time[1], nil)
  eq(time.SECOND, 1000000000)
  eq(rawget(time, "SECOND"), nil)
  local sleep, utc, n = time.sleep, time.utc, 0
  for k, v in pairs(time) do
    n = n + 1
    eq(time[k], v)
    eq(time.nothing, nil)
  end
  eq(n, 53)
  eq(time.sleep, sleep)
  eq(time.utc, utc)
  eq(names(require "errors"), "ALREADY_EXISTS CANCELED CONFLICT INTERNAL \z
INVALID NOT_FOUND PERMISSION_DENIED RATE_LIMITED TIMEOUT UNAVAILABLE UNKNOWN \z
call_stack is new wrap")
  eq(names(require "json"), "decode encode null validate validate_string")
  eq(names(require "security"), "actor can named_scope new_actor new_scope \z
policy scope")
  eq(names(channel), "new select")
end

-- modules are read-only, whatever way they are written to
for _, name in ipairs {"websocket", "time", "json", "channel", "errors"} do
  local module = require(name)
  eq(require(name), module)
  local before = names(module)
  ok(#before > 0)
  raises("read-only", function() module.added = 1 end)
  raises("read-only", function() module[1] = 1 end)
  raises("read-only", rawset, module, "added", 1)
  raises("read-only", table.insert, module, 1)
  raises("read-only", table.move, {1, 2}, 1, 2, 1, module)
  raises("protected metatable", setmetatable, module, {})
  raises("protected metatable", setmetatable, module, nil)
  eq(getmetatable(module), false)
  eq(names(module), before)
  eq(next(module), nil)
  eq(rawlen(module), 0)
  eq(module.no_such_field, nil)
end
raises("read-only", function() require "websocket".CLOSE_CODES.NORMAL = 1 end)
raises("read-only", rawset, require "websocket".COMPRESSION, "DISABLED", 7)
eq(require "websocket".CLOSE_CODES.NORMAL, 1000)

-- metatables of the host are hidden, those of strings too
eq(getmetatable(""), false)
eq(getmetatable(errors.new("x")), false)
eq(getmetatable(channel.new()), false)
eq(getmetatable(require "time".now()), false)
raises("table expected", setmetatable, "", {})
raises("table expected", setmetatable, channel.new(), {})

-- no finalizers, however they are said
raises("finalizers", setmetatable, {}, {__gc = function() end})
raises("finalizers", setmetatable, {}, {__gc = false})
raises("finalizers", setmetatable, {}, {__gc = 1})
do
  local meta = setmetatable({}, {__index = {__gc = function() end}})
  local t = setmetatable({}, meta) -- only a raw one would count
  meta.__gc = function() error("called") end -- and only at setmetatable
  for i = 1, 10000 do t = {i} end
  raises("finalizers", setmetatable, {}, meta)
  eq(setmetatable(t, nil), t)
  raises("nil or table expected", setmetatable, {})
  raises("nil or table expected", setmetatable, {}, 1)
  raises("protected", setmetatable, setmetatable({}, {__metatable = 1}), {})
  eq(getmetatable(setmetatable({}, {__metatable = "mine"})), "mine")
end

-- names of objects: stable, different, and no address
do
  local t, u = {}, {}
  has(tostring(t), "table: ")
  eq(tostring(t), tostring(t))
  ok(tostring(t) ~= tostring(u))
  for _, v in ipairs {t, print, function() end, coroutine.create(print),
                      channel.new(), channel.new():case_receive()} do
    local text = tostring(v)
    ok(text:match("^[%w%. ]+: %x+$") and #text:match("%x+$") == 16, text)
    eq(("%s"):format(v), text)
    eq(("<%10s>"):format("x"), "<         x>")
    eq(("%-40s|"):format(v), text .. (" "):rep(40 - #text) .. "|")
  end
  -- what is near in memory is far in name
  local first = tonumber(tostring({}):match("%x+$"):sub(1, 8), 16)
  local second = tonumber(tostring({}):match("%x+$"):sub(1, 8), 16)
  ok(first ~= second)
  local named = setmetatable({}, {__name = "Named"})
  ok(tostring(named):match("^Named: %x+$"))
  eq(tostring(setmetatable({}, {__tostring = function() return "me" end})),
     "me")
  raises("must return a string", tostring,
         setmetatable({}, {__tostring = function() return {} end}))
  eq(tostring(nil), "nil")
  eq(tostring(1e15), "1e+15")
  eq(tostring(3), "3")
  raises("value expected", tostring)
  raises("%p", string.format, "%p", t)
  raises("%p", string.format, "%d %-20p", 1, t)
  raises("%p", ("%%%s%p").format, "%%%s%p", "x", t)
  eq(("%%p %s"):format(1), "%p 1")
  eq(("%5.1f|%x|%q|%i|%c|%g"):format(2.25, 255, "a\n", 7, 65, 0.5),
     '  2.2|ff|"a\\\n"|7|A|0.5')
  raises("no value", string.format, "%s")
  raises("invalid conversion", string.format, "%y", 1)
  raises("invalid conversion", string.format, "%", 1)
  eq(("%s %s %s"):format(nil, true, "x"), "nil true x")
  ok(not pcall(string.format, "%s"))
end

-- what was written anew does what Lua does
do
  eq(("ab"):rep(3), "ababab")
  eq(("ab"):rep(3, "-"), "ab-ab-ab")
  eq(("ab"):rep(0), "")
  eq(("ab"):rep(-1), "")
  eq((""):rep(1 << 60), "")
  eq((""):rep(3, ","), ",,")
  raises("too large", string.rep, "x", 1 << 60)
  raises("number expected", string.rep, "x")
  raises("string expected", string.rep, {}, 1)
  eq(string.rep(7, 2), "77")
  eq(select("#", math.randomseed(42)), 0)
  local a = math.random(1 << 30)
  math.randomseed(42)
  eq(math.random(1 << 30), a)
  eq(select("#", math.randomseed()), 0)
  raises("number expected", math.randomseed, {})
  eq(select("#", pcall(function() end)), 1)
  eq(select(2, pcall(error)), nil)
  eq(select("#", pcall(error)), 2)
  eq(select(3, pcall(function(...) return ... end, 1, 2)), 2)
  raises("value expected", pcall)
  eq(select(2, xpcall(error, function(e) return e .. "!" end, "x")), "x!")
  eq(select("#", xpcall(function(...) return ... end, print, 1, nil)), 3)
  raises("function expected", xpcall, print)
  raises("function expected", xpcall, print, {})
  eq(select(2, pcall(error, {1}))[1], 1)
  ok(os.clock() >= 0 and os.clock() < 60)
  eq(math.type(os.time()), "integer")
  eq(os.date("!%Y-%m-%d", 0), "1970-01-01")
  raises("invalid conversion", os.date, "%Ez")
end

-- require: names, loops, errors, results
do
  local mod = require "require.answer"
  eq(mod.value, 42)
  eq(mod.name, "require.answer")
  eq(require "require.answer", mod)
  eq(require "require.folder", "the folder")
  eq(require "require.nothing", true)
  eq(require "require.slow", "woken")
  raises("require loop", require, "require.loop")
  raises("require loop", require, "require.loop")
  has(raises("on purpose", require, "require.fails"), "require/fails.lua:2")
  raises("on purpose", require, "require.fails")
  has(raises("error loading module", require, "require.broken"), "broken.lua:2")
  raises("error loading module", require, "require.binary")
  for _, name in ipairs {
    "no_such_module", "", ".", "..", "../lua/check", "./check", "/etc/passwd",
    "require..answer", ".check", "check.", "require/answer", "check.lua",
    "check\0", "io", "debug", "package", "string", "require.secret/../answer",
    ("x"):rep(200), "check ", "c*", "%s%s%n"} do
    raises("module", require, name)
  end
  raises("at most 200 bytes", require, ("x"):rep(201))
  raises("string expected", require)
  raises("string expected", require, 1)
  raises("string expected", require, {})
end

check.done()
