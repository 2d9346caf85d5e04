-- json-decode.lua - a text of a kilobyte that is megabytes of tables.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local json = require "json"
local text = "[" .. ("[[[[]]]],"):rep(50000) .. "1]"
local all = {}
while true do all[#all + 1] = select(2, pcall(json.decode, text)) end
