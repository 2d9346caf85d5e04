-- one-string-hash.lua - long strings as keys, hashed each for itself.
-- status: 10
-- args: --cpu 50ms --memory 32MiB
local t = {}
local s = ("x"):rep(8 << 20)
while true do t[s .. "y"] = nil local _ = t[s] end
