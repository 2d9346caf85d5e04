-- oracle_lua.lua - random calls of string and table functions, a line for each
-- and what came of it.  oracle_lua.py runs it under plain Lua and under cordon,
-- and the lines must be the same.
local seed, count = tonumber(arg[1]), tonumber(arg[2])

-- a generator of our own: the same numbers in both
local state = seed * 2654435761 + 88172645463325252
local function random(n)
  state = state ~ (state << 13)
  state = state ~ (state >> 7)
  state = state ~ (state << 17)
  return (state >> 11) % n + 1
end
local function pick(list) return list[random(#list)] end

local lines = {}
local function show(v)
  if type(v) == "string" then return string.format("%q", v) end
  if type(v) == "table" or type(v) == "function" then return type(v) end
  if math.type(v) == "float" then return string.format("%q", v) end
  return tostring(v)
end
local function report(what, ...)
  local t = table.pack(...)
  for i = 1, t.n do t[i] = show(t[i]) end
  lines[#lines + 1] = what .. " -> " .. table.concat(t, " ", 1, t.n)
  if #lines >= 500 then
    print(table.concat(lines, "\n"))
    lines = {}
  end
end
local function try(what, f, ...)
  local args = table.pack(...)
  for i = 1, args.n do what = what .. " " .. show(args[i]) end
  report(what, pcall(f, ...))
end

local bytes = {"a", "b", "c", "A", "1", " ", ".", "(", ")", "-", "_", "\0",
               "\n", "\xe9", "[", "]", "%"}
local function text(max)
  local t = {}
  for i = 1, random(max + 1) - 1 do
    t[i] = random(3) == 1 and pick(bytes) or pick {"a", "b", "(", ")"}
  end
  return table.concat(t)
end

local items = {"a", "b", "c", ".", "%a", "%A", "%d", "%s", "%w", "%W", "%p",
               "%u", "%l", "%x", "%c", "%g", "%z", "%S", "[ab]", "[^a]",
               "[a-c]", "[%w_]", "[]]", "[^]]", "[%]a]", "[a-]", "[-a]",
               "[%a-z]", "[\0-\31]", "[^%s]", "%(", "%)", "%.", "%%", "\0", "-",
               "%b()", "%bab", "%baa", "%f[%w]", "%f[^a]", "%f[\0]", "%1",
               "%2", "()", "(", ")", "(a*)", "(.-)", "(.)", "((a)b)"}
local suffixes = {"", "", "", "*", "+", "-", "?"}
local junk = {"%", "[", "]", "[^", "%b", "%f", "(", ")", "^", "$", "%0", "%9",
              "[a-%z]", "[%", "*", "a", "%b(", "[]"}
local function pattern()
  local t = {}
  if random(6) == 1 then t[1] = "^" end
  for _ = 1, random(6) - 1 do
    if random(25) == 1 then
      t[#t + 1] = pick(junk)
    else
      local item = pick(items)
      t[#t + 1] = item
      if #item < 3 or random(2) == 1 then t[#t + 1] = pick(suffixes) end
      if random(6) == 1 then
        table.insert(t, random(#t), "(")
        t[#t + 1] = ")"
      end
    end
  end
  if random(6) == 1 then t[#t + 1] = "$" end
  return table.concat(t)
end

local templates = {"", "x", "%0", "<%1>", "%2%1", "%%", "%", "%x", "a%0%0b",
                   "%9", "longer text than the match, to make it grow"}
local function replacement()
  local kind = random(5)
  if kind == 1 then
    local n = 0
    return function(...)
      n = n + 1
      if n % 3 == 0 then return nil end
      if n % 7 == 0 then return false end
      return n % 11 == 0 and {} or select("#", ...) .. tostring((...))
    end
  elseif kind == 2 then
    return {a = "1", b = 2, [""] = "e", ["("] = false, [1] = "one"}
  elseif kind == 3 then
    return setmetatable({a = "own"}, {__index = function(_, k)
      return k ~= "b" and "<" .. k .. ">" or nil
    end})
  elseif kind == 4 then
    return setmetatable({}, {__index = setmetatable({a = 5}, {__index = {b = 6}})})
  end
  return pick(templates)
end

local values = {0, 1, -1, 42, 255, 65, math.maxinteger, math.mininteger, 0.0,
                -0.0, 1.5, -2.25, 1e15, 1e100, 1e-7, 3.0, 1 / 0, -1 / 0,
                123456789.125, "x", "hello", "10", "0x10", "1e2", "a\0b", "", ("y"):rep(120),
                true, false, "\n\r\t\"\\\127\2001"}
local function spec()
  local t = {"%"}
  for _ = 1, random(3) - 1 do t[#t + 1] = pick {"-", "+", " ", "#", "0"} end
  if random(3) == 1 then t[#t + 1] = tostring(random(120)) end
  if random(3) == 1 then t[#t + 1] = "." .. pick {"", "0", "3", "12", "99"} end
  t[#t + 1] = pick {"d", "i", "u", "c", "x", "X", "o", "e", "E", "f", "g", "G",
                    "a", "A", "q", "s", "s", "%", "y", "F", "n", "l", "5"}
  return table.concat(t)
end

local function proxy(t)
  return setmetatable({}, {__len = function() return #t end,
                           __index = function(_, k) return t[k] end,
                           __newindex = function(_, k, v) t[k] = v end})
end
local function contents(t)
  local r = {}
  for i = 1, #t + 2 do r[i] = show(t[i]) end
  return table.concat(r, " ")
end
local function list(n)
  local kind, t = random(5), {}
  for i = 1, n do
    if kind == 1 then t[i] = random(1000)
    elseif kind == 2 then t[i] = random(9) / 2
    elseif kind == 3 then t[i] = pick(bytes) .. random(50)
    elseif kind == 4 then t[i] = random(2) == 1 and random(5) or random(9) / 2
    else t[i] = random(4) end
  end
  if random(60) == 1 and n > 0 then t[random(n)] = pick {"z", 0 / 0, 7, true} end
  return t
end

local cases = {
  function() try("find", string.find, text(16), pattern(), random(20) - 10) end,
  function() try("find", string.find, text(16), pattern()) end,
  function() try("plain", string.find, text(24), text(3), random(8) - 4, true) end,
  function() try("match", string.match, text(16), pattern()) end,
  function() try("match", string.match, text(60), pattern(), random(40) - 20) end,
  function()
    local s, p, init = text(16), pattern(), random(3) == 1 and random(24) - 12 or nil
    try("gmatch " .. show(s) .. show(p) .. show(init), function()
      local r = {}
      for a, b, c in s:gmatch(p, init) do
        r[#r + 1] = show(a) .. show(b) .. show(c)
      end
      return table.concat(r, ";")
    end)
  end,
  function() try("gsub", string.gsub, text(16), pattern(), replacement()) end,
  function()
    try("gsub", string.gsub, text(16), pattern(), replacement(), random(4) - 1)
  end,
  function()
    local n = random(3)
    local f, args = {}, {}
    for i = 1, n do
      f[i] = pick {"", "x", "%%", "text "} .. spec()
      args[i] = pick(values)
    end
    if random(20) == 1 then n = n - 1 end
    try("format", string.format, table.concat(f), table.unpack(args, 1, n))
  end,
  function()
    try("rep", string.rep, text(5), random(9) - 3,
        pick {"", ",", "--"})
  end,
  function()
    local t, from = list(random(12) - 1), random(2) == 1
    local p = from and proxy(t) or t
    local f = pick {"insert", "remove", "concat", "unpack", "move", "insert3",
                    "insert", "sort"}
    if f == "insert" then try(f, table.insert, p, random(9))
    elseif f == "insert3" then try(f, table.insert, p, random(14) - 2, "v")
    elseif f == "remove" then try(f, table.remove, p, pick {1, 2, #t, #t + 1, #t + 2, 0})
    elseif f == "concat" then
      try(f, table.concat, p, pick {"", ", "}, pick {1, 2, 5}, pick {#t, #t - 1, #t + 1})
    elseif f == "unpack" then try(f, table.unpack, p, pick {1, 0, 3}, pick {#t, 4})
    elseif f == "sort" then try(f, table.sort, p)
    else
      local to = pick {p, {}, proxy {}}
      try(f, table.move, p, random(4) - 1, random(12), random(12) - 1, to)
      report("to", contents(to))
    end
    report("left", contents(t))
  end,
  function()
    local t = list(random(120))
    try("sort", table.sort, t)
    report("sorted", contents(t))
  end,
  function()
    local t, calls = list(random(60)), 0
    local order = pick {
      function(a, b) return tostring(a) < tostring(b) end,
      function(a, b) return tostring(a) > tostring(b) end,
      function() return true end, function() return false end,
      function() return random(2) == 1 end,
      function(a, b) return tostring(a) <= tostring(b) end}
    try("sort", table.sort, t, function(a, b)
      calls = calls + 1
      return order(a, b)
    end)
    report("sorted", calls, contents(t))
  end,
}
for _ = 1, count do pick(cases)() end
if #lines > 0 then print(table.concat(lines, "\n")) end
