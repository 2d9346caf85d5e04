-- strings.lua - string functions: what Lua's own tests do not ask.
local check = require "check"
local eq, ok, raises, has = check.eq, check.ok, check.raises, check.has
local time = require "time"

-- results are Lua's; tests/oracle_lua.py asks thousands more
eq(select("#", ("key = value"):find "^(%w+)%s*=%s*(%w+)$"), 4)
eq(("key = value"):match "=%s*(.*)", "value")
eq(("a,b,,c"):gsub(",", ";"), "a;b;;c")
eq(("abc"):gsub("", "-"), "-a-b-c-")
eq(("abc"):gsub("%w", "%0%%%1"), "a%ab%bc%c")
eq(("hello"):gsub("l", {l = "L"}), "heLLo")
eq(("hello"):gsub("l", {l = false}), "hello")
eq(("x y"):gsub("%w", setmetatable({}, {__index = function(t, k)
  ok(type(t) == "table")
  return k:upper()
end})), "X Y")
eq(("x"):gsub("x", setmetatable({}, {__index = setmetatable({}, {
  __index = {x = 7}})})), "7")
raises("invalid replacement value (a table)", string.gsub, "a", "a",
       function() return {} end)
do
  local list = {}
  for k, v in ("a=1, b=2"):gmatch "(%w+)=(%w+)" do list[#list + 1] = k .. v end
  eq(table.concat(list, " "), "a1 b2")
end

-- "too complex" stays where it is in Lua
eq(#("a"):rep(199):match(("a?"):rep(199)), 199)
raises("pattern too complex", string.match, ("a"):rep(200), ("a?"):rep(200))
raises("pattern too complex", string.match, ("a"):rep(300), ("a?"):rep(300))
raises("too many captures", string.find, "a", ("()"):rep(33))
raises("malformed pattern (missing ']')", string.find, "a", "[a")
raises("malformed pattern (ends with '%')", string.find, "a", "%")
raises("missing arguments to '%b'", string.find, "a", "%b(")
raises("missing '[' after '%f'", string.find, "a", "%fa")
raises("invalid pattern capture", string.match, "a", "a)")
raises("invalid capture index %1", string.find, "a", "%1")
raises("unfinished capture", string.find, "a", "(a")
raises("invalid use of '%' in replacement", string.gsub, "a", "a", "%x")

-- what would be quadratic is not
do
  local n = 1000000
  local open = ("("):rep(n)
  eq(open:find "%b()", nil)
  eq((open .. ")"):find "%b()", n)
  eq((open .. "x)"):match "%b()", "(x)")
  eq(("a"):rep(n):find(("a"):rep(n // 2) .. "b", 1, true), nil)
  eq((("ab"):rep(n)):find(("ba"):rep(1000) .. "c", 1, true), nil)
end

-- rep
eq(("ab"):rep(3, ","), "ab,ab,ab")
eq(("ab"):rep(0), "")
eq(("ab"):rep(-1), "")
eq((""):rep(1 << 60), "")
eq((""):rep(1 << 60, ""), "")
eq((""):rep(4, "-"), "---")
eq(("x"):rep(1), "x")
eq(#("abc"):rep(1000, "--"), 4998)
raises("resulting string too large", string.rep, "x", 1 << 40)
raises("resulting string too large", string.rep, "", 1 << 40, "x")

-- format
eq(("%5d|%-5d|%05d|%+d|% d|%.3d"):format(42, 42, 42, 42, 42, 7),
   "   42|42   |00042|+42| 42|007")
eq(("%x|%#X|%o|%#o|%#x"):format(255, 255, 8, 8, 0), "ff|0XFF|10|010|0")
eq(("%x"):format(-1), "ffffffffffffffff")
eq(("%d"):format(math.mininteger), "-9223372036854775808")
eq(("%d"):format("10"), "10")
eq(("%d"):format(3.0), "3")
raises("no integer representation", string.format, "%d", 3.5)
eq(("%08.3f|%+.2e|%g|%a"):format(-3.14159, 12345.678, 1e20, 1),
   "-003.142|+1.23e+04|1e+20|0x1p+0")
eq(("%05f|%-6f|"):format(1 / 0, -1 / 0), "  inf|-inf  |")
eq(("%q %q %q"):format("\0001\n\"", 0.5, math.mininteger),
   '"\\0001\\\n\\"" 0x1p-1 0x8000000000000000')
eq(("%c%5c"):format(0, 65), "\0    A")
eq(("%.20s|%5.1s"):format("abc", "xyz"), "abc|    x")
raises("string contains zeros", string.format, "%5s", "a\0b")
raises("invalid conversion specification: '%100d'", string.format, "%100d", 1)
raises("invalid format (too long)", string.format,
       "%" .. ("0"):rep(30) .. "d", 1)
raises("cannot have modifiers", string.format, "%5q", "x")
raises("value has no literal form", string.format, "%q", {})
raises("invalid conversion '%p' to 'format': addresses", string.format, "%p", {})

-- a callback cannot wait or yield, whatever catches the error
raises("cannot wait here", string.gsub, "a", "a", function() time.sleep("1ms") end)
raises("cannot wait here", string.gsub, "a", "a", function()
  coroutine.wrap(function() time.sleep("1ms") end)()
end)
do
  local co = coroutine.wrap(function()
    raises("attempt to yield across a C-call boundary", string.gsub, "a", "a",
           coroutine.yield)
    string.gsub("x", "x", function()
      eq(coroutine.isyieldable(), false)
      ok(not pcall(string.gsub, "a", "a", error))
      eq(coroutine.isyieldable(), false)
      -- a coroutine of its own is another matter
      eq(coroutine.wrap(function() coroutine.yield(5) end)(), 5)
    end)
    eq(coroutine.isyieldable(), true)
    ok(not xpcall(string.gsub, tostring, "a", "a", error))
    eq(coroutine.isyieldable(), true)
    eq(coroutine.yield(1), 2)
    return 3
  end)
  eq(co(), 1)
  eq(co(2), 3)
end
ok(not pcall(string.gsub, "a", "a", error))
time.sleep("1ms")

-- turns: while one task is in a long search, callback or sort, others run
do
  local turns, stop = 0, false
  coroutine.spawn(function()
    while not stop do
      turns = turns + 1
      time.sleep("100us")
    end
  end)
  time.sleep("1ms")
  local function shared(what, f, ...)
    local before = turns
    local results = table.pack(f(...))
    ok(turns > before + 3, what .. ": no other task ran")
    return table.unpack(results, 1, results.n)
  end
  local long = ("a"):rep(160)
  eq(shared("find", string.find, long, "a-a-a-b"), nil)
  eq(shared("match", string.match, long:rep(3), "(a*)(a*)%2b"), nil)
  eq(shared("gmatch", long:gmatch "a-a-a-b"), nil)
  local longer = ("a"):rep(220) .. "c"
  eq(shared("gsub", string.gsub, longer, ".-.-.-b", ""), longer)
  eq(select(2, shared("many matches", string.gsub, ("ab"):rep(3000000), "a", "")),
     3000000)
  eq(shared("callback", string.gsub, ("x"):rep(300), ".", function()
    for _ = 1, 50000 do end
    return "y"
  end), ("y"):rep(300))
  eq(shared("__index", string.gsub, ("x"):rep(300), ".", setmetatable({}, {
    __index = function()
      for _ = 1, 50000 do end
      return "z"
    end})), ("z"):rep(300))
  -- an iterator that two tasks are in
  local next_match = (("a"):rep(160) .. "c" .. ("a"):rep(160) .. "b"):gmatch "a-a-a-b()"
  local other
  coroutine.spawn(function() other = next_match() end)
  local mine = next_match()
  while not other and not mine do time.sleep("1ms") end
  eq(mine or other, 323)
  stop = true
end

-- callbacks inside callbacks, with turns between them
do
  local function nest(n)
    if n == 0 then
      for _ = 1, 100000 do end
      return "."
    end
    return (("x"):gsub("x", function() return "<" .. nest(n - 1) .. ">" end))
  end
  eq(nest(20), ("<"):rep(20) .. "." .. (">"):rep(20))
  eq((("ab"):gsub(".", function(c)
    return (("12"):gsub(".", function(d) return c .. d end))
  end)), "a1a2b1b2")
end

check.done()
