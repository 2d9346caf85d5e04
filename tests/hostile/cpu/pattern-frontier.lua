-- pattern-frontier.lua - a class that is looked through at each byte.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local class = "[" .. ("a"):rep(100000) .. "]"
pcall(string.find, ("b"):rep(100000), "%f" .. class)
while true do end
