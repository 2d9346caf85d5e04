-- pattern-balance.lua - "%b" from every place of a long string.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local s = ("("):rep(1 << 20)
pcall(string.find, s, "%b()")
while true do end
