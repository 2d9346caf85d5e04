-- keys-at-the-ends.lua - integers and floats at the ends of what there is, as
-- keys, as lengths and as borders.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: whole
local t = {}
local keys = {
  math.maxinteger, math.mininteger, 2^53, -2^53, 2^63, -2^63, 1e308, -0.0,
  2^31, 2^32, 0.1, math.huge, -math.huge,
}
for _, k in ipairs(keys) do t[k] = 1 end
for k in pairs(t) do t[k] = nil end
assert(next(t) == nil)
t[math.maxinteger] = 1
assert(#t == 0 or #t == math.maxinteger)
pcall(table.insert, t, 2)
pcall(table.insert, t, math.maxinteger, 2)
pcall(table.remove, t)
pcall(table.move, t, math.maxinteger, math.maxinteger, 1)
pcall(table.move, t, math.mininteger, math.mininteger + 1, math.maxinteger - 1)
pcall(table.unpack, t, math.maxinteger, math.maxinteger)
pcall(table.unpack, t, math.mininteger, math.maxinteger)
pcall(table.concat, t, "", math.maxinteger, math.maxinteger)
pcall(select, math.mininteger, 1)
for i = math.maxinteger - 1, math.maxinteger do t[i] = 1 end
for i = math.mininteger, math.mininteger + 1 do t[i] = 1 end
for i = 1, 62 do t[1 << i] = 1 end
assert(#t >= 0)
assert(not pcall(rawset, t, 0 / 0, 1))
print "whole"
