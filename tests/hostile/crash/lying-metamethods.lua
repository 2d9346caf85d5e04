-- lying-metamethods.lua - lengths that lie do not make C loop for ever.
-- status: 0
-- stdout: done
-- args: --cpu 20s
local liar = setmetatable({}, {__len = function() return math.maxinteger end,
                               __index = function() return "x" end})
pcall(table.concat, liar)
pcall(table.insert, liar, 1, 1)
pcall(table.remove, liar)
pcall(table.sort, liar)
pcall(table.unpack, liar)
pcall(table.move, liar, 1, math.maxinteger, 2)
assert(not pcall(string.rep, "x", 1 << 60))
assert(#string.rep("", 1 << 60) == 0)
print "done"
