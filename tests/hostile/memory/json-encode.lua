-- json-encode.lua - a text that is longer than memory.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local json = require "json"
local t = {("\0"):rep(10000)}
for _ = 1, 40 do t = {t, t} end
while true do pcall(json.encode, t) end
