-- pattern-backtracking.lua - a pattern that takes for ever is stopped.
-- status: 10
-- args: --cpu 500ms
local s = ("a"):rep(100000)
print(s:find((".-"):rep(20) .. "b"))
