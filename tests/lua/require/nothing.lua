-- nothing.lua - a module that returns nothing.
local _ = 1
