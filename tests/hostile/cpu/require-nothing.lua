-- require-nothing.lua - modules that are not there, each under another name.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local n = 0
while true do n = n + 1 pcall(require, 'nope' .. n) end
