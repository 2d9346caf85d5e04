-- one-varargs.lua - functions of a hundred thousand arguments that call each
-- other.
-- status: 10
-- args: --cpu 100ms --memory 64MiB
local function f(...) return select("#", ...) end
local function g(...) return f(...), f(1, ...) end
local t = {}
for i = 1, 100000 do t[i] = i end
while true do g(table.unpack(t)) end
