-- json-exponential.lua - a small table that is a giant text.
-- status: 10 11
-- args: --cpu 50ms --memory 8MiB
local t = {1}
for _ = 1, 100 do t = {t, t} end
while true do pcall(require "json".encode, t) end
