-- json-digits.lua - a number of four million digits.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
local json = require 'json'
local s = ('9'):rep(4 << 20) .. 'e-4194000'
while true do json.decode(s) end
