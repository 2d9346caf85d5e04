-- find-plain.lua - plain find that nearly finds, everywhere.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local s = ("a"):rep(1 << 20)
pcall(string.find, s, ("a"):rep(1 << 19) .. "b", 1, true)
while true do pcall(string.find, s, ("a"):rep(1 << 16) .. "b", 1, true) end
