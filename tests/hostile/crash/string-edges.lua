-- string-edges.lua - positions and counts at the ends of the integers.
-- status: 0
-- args: --cpu 20s --memory 32MiB
-- stdout: fine
local edges = {math.mininteger, math.mininteger + 1, -2^31, -1, 0, 1, 2, 2^31,
               2^32, math.maxinteger - 1, math.maxinteger, 1e308, -1e308, 0/0,
               1/0, 0.5, "1", "0x10", " 5 "}
local functions = {string.sub, string.byte, string.rep, string.find,
  string.unpack, utf8.char, utf8.codepoint, utf8.len, utf8.offset,
  table.concat, table.unpack, table.insert, table.remove, table.move, select,
  string.char, math.random, string.format, tonumber, os.date, os.time,
  math.tointeger, math.ult, math.fmod, string.pack, string.packsize}
for _, f in ipairs(functions) do
  for _, a in ipairs(edges) do
    pcall(f, a)
    pcall(f, "abc", a)
    pcall(f, {1, 2, 3}, a)
    pcall(f, "i4", a)
    for _, b in ipairs(edges) do
      if f ~= string.rep or not (tonumber(a) and tonumber(a) > 1e6) then
        pcall(f, "abc", a, b)
      end
      pcall(f, {1, 2, 3}, a, b)
      pcall(f, a, b)
      pcall(f, a, b, 1)
      pcall(f, "abc", "b", a, b)
    end
  end
end
print "fine"
