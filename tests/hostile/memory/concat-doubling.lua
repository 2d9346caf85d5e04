-- concat-doubling.lua - a string that doubles inside one expression.
-- status: 11
-- args: --memory 8MiB --cpu 2s
local s = ("x"):rep(1 << 20)
while true do pcall(function() s = s .. s .. s .. s end) end
