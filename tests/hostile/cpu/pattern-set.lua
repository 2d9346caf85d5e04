-- pattern-set.lua - a set of hundreds of thousands of characters, for every character.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local set = '[' .. ('a-b'):rep(100000) .. ']'
local s = ('z'):rep(100000)
while true do s:find(set) end
