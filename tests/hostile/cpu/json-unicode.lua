-- json-unicode.lua - strings of what is no UTF-8.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local json = require "json"
local bad = ("\xff"):rep(1 << 20)
while true do pcall(json.encode, bad) end
