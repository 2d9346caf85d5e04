-- security-evaluate.lua - questions to policies, without end.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local security = require "security"
local meta = {}
for i = 1, 900 do meta["k" .. i] = {a = i, b = {i}} end
while true do pcall(security.can, "websocket.connect", "x", meta) end
