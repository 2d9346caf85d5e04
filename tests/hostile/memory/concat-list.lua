-- concat-list.lua - table.concat of one long string many times.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local t, part = {}, ("x"):rep(1 << 16)
for i = 1, 1000 do t[i] = part end
while true do pcall(table.concat, t, part) end
