-- table-overflow.lua - constructors and tables larger than counters.
-- status: 0 11
-- args: --cpu 2s --memory 32MiB
pcall(table.move, {1}, 1, 1, math.maxinteger)
local t = {[math.maxinteger] = 1, [math.mininteger] = 2}
pcall(table.insert, t, 1)
local _ = #t
for i = 60, 63 do pcall(function() t[1 << i] = i end) end
pcall(table.concat, t, "", math.maxinteger, math.maxinteger)
pcall(table.unpack, t, math.maxinteger - 1, math.maxinteger)
pcall(table.unpack, {}, 1, 1e7)
pcall(table.unpack, {}, math.mininteger, math.maxinteger)
pcall(table.insert, t, math.maxinteger, 1)
pcall(table.remove, t, math.maxinteger)
pcall(select, math.mininteger, 1)
pcall(select, -1 << 31, 1)
pcall(string.rep, "ab", math.maxinteger // 2 + 1)
pcall(string.rep, "", math.maxinteger, "ab")
pcall(string.char, table.unpack({}, 1, 100000))
