-- lua-603b2c64.lua - a metamethod of ".." moves the stack of three operands.
-- args: --cpu 100ms --memory 8MiB
-- lua-bug: 603b2c64
local m = {}
m.__concat = function() return setmetatable({}, m) end
local a = setmetatable({}, m)
while true do local _ = a .. a .. a .. "x" .. 1 .. a .. a end
