-- strings.lua - string and table functions, each some milliseconds.
-- strings.py runs it under plain Lua and under cordon, in turn.
local words = {}
for i = 1, 2000 do words[i] = "word" .. i * 7919 % 2003 end
local line = "GET /index.html HTTP/1.1"
local pairs_text = "key1=value1, key2=value2, key3=value3"
local large = table.concat(words, " ")
local csv = (("12,foo bar,3.14,baz\n"):rep(2000))
local numbers, floats, strings = {}, {}, {}
do
  local x = 42
  for i = 1, 20000 do
    x = (x * 1103515245 + 12345) % 2147483648
    numbers[i], floats[i], strings[i] = x, x / 7, "s" .. x
  end
end
local function copy(t, n) return table.move(t, 1, n or #t, 1, {}) end
local function upper(w) return w end

-- name, repetitions, function
local cases = {
  {"find plain, small", 40000, function() return line:find("HTTP", 1, true) end},
  {"find plain, large", 400, function() return large:find("no such word", 1, true) end},
  {"find plain, misleading", 80, function() return csv:find("foo bar,3.15", 1, true) end},
  {"find pattern, small", 40000, function() return line:find "%s(%S+)" end},
  {"find pattern, large", 60, function() return large:find "d%d+y" end},
  {"find set, large", 60, function() return large:find "[xyz]%d" end},
  {"match, small", 40000, function() return line:match "^(%w+)%s+(%S+)%s+HTTP/(%d)" end},
  {"match number", 40000, function() return ("  -12.5e3 "):match "^%s*([+-]?%d+%.?%d*)" end},
  {"match lazy", 6, function() return csv:sub(1, 1500):match "(.-)nothing" end},
  {"match greedy, large", 60, function() return csv:match ".*foo(.*)" end},
  {"match, backtracking", 8, function() return ("a"):rep(40):match "a*a*a*b" end},
  {"gmatch, small", 8000, function()
    for _ in pairs_text:gmatch "(%w+)=(%w+)" do end
  end},
  {"gmatch words, large", 12, function() for _ in large:gmatch "%a+" do end end},
  {"gmatch sets, large", 12, function() for _ in csv:gmatch "([^,\n]*)[,\n]" do end end},
  {"gsub string, small", 20000, function() return line:gsub("/", "%%2F") end},
  {"gsub capture, small", 20000, function() return pairs_text:gsub("(%w+)=(%w+)", "%2=%1") end},
  {"gsub function, small", 10000, function() return pairs_text:gsub("%w+", upper) end},
  {"gsub table, small", 10000, function() return pairs_text:gsub("%w+", {key1 = "k"}) end},
  {"gsub nothing, large", 60, function() return large:gsub("z", "") end},
  {"gsub string, large", 12, function() return large:gsub("word", "w") end},
  {"gsub function, large", 8, function() return large:gsub("%w+", upper) end},
  {"gsub trim", 40000, function() return ("  some text  "):gsub("^%s+", "") end},
  {"rep, small", 40000, function() return ("ab"):rep(10) end},
  {"rep, large", 60, function() return ("x"):rep(300000) end},
  {"rep separator, large", 20, function() return ("abc"):rep(30000, ", ") end},
  {"format %d %s", 40000, function() return ("%d: %s"):format(42, "text") end},
  {"format %5.2f", 30000, function() return ("%5.2f"):format(3.14159) end},
  {"format %x %q", 30000, function() return ("%08x %q"):format(48879, "a\nb") end},
  {"format long text", 4000, function() return ("%s"):format(large) end},
  {"byte, sub, upper, reverse", 20000, function()
    return line:byte(5), line:sub(3, 9), line:upper(), line:reverse()
  end},
  {"concat, small", 40000, function() return table.concat({"a", "b", "c", "d"}, ", ") end},
  {"concat strings, large", 60, function() return table.concat(words, " ") end},
  {"concat numbers, large", 6, function() return table.concat(numbers, ",", 1, 5000) end},
  {"insert at end", 12, function()
    local t = {}
    for i = 1, 10000 do table.insert(t, i) end
  end},
  {"insert at front", 4, function()
    local t = {}
    for i = 1, 600 do table.insert(t, 1, i) end
  end},
  {"remove at end", 12, function()
    local t = copy(numbers, 5000)
    for _ = 1, 5000 do table.remove(t) end
  end},
  {"remove at front", 4, function()
    local t = copy(numbers, 600)
    for _ = 1, 600 do table.remove(t, 1) end
  end},
  {"move, large", 60, function() return table.move(numbers, 1, 5000, 2, {}) end},
  {"pack, unpack, small", 60000, function() return table.unpack(table.pack(1, 2, 3)) end},
  {"unpack, large", 200, function() return select("#", table.unpack(numbers, 1, 5000)) end},
  {"sort, small", 4000, function() table.sort {5, 2, 8, 1, 9, 3, 7} end},
  {"sort integers, large", 3, function() table.sort(copy(numbers)) end},
  {"sort floats, large", 3, function() table.sort(copy(floats)) end},
  {"sort strings, large", 3, function() table.sort(copy(strings)) end},
  {"sort with a function", 3, function()
    table.sort(copy(numbers, 10000), function(a, b) return a > b end)
  end},
  {"sort strings, function", 3, function()
    table.sort(copy(strings, 10000), function(a, b) return a > b end)
  end},
}

local only = arg[1]
for _, case in ipairs(cases) do
  if not only or case[1]:find(only, 1, true) then
    local f = case[3]
    for _ = 1, case[2] // 10 do f() end
    local best = math.huge
    for _ = 1, 3 do
      local begin = os.clock()
      for _ = 1, case[2] do f() end
      best = math.min(best, os.clock() - begin)
    end
    print(("%s\t%.9f"):format(case[1], best / case[2]))
  end
end
