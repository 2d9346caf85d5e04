-- json-decode.lua - texts that are long to read.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local json = require "json"
local text = "[" .. ("[[]],"):rep(200000) .. "1]"
while true do pcall(json.decode, text) end
