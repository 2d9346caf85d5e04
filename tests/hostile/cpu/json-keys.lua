-- json-keys.lua - keys that differ in their last byte only.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
-- stderr: CPU limit
local t, long = {}, ("k"):rep(10000)
for i = 1, 500 do t[long .. i] = i end
while true do pcall(require "json".encode, t) end
