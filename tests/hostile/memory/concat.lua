-- concat.lua - the same through table.concat and string.format.
-- status: 11
-- args: --memory 16MiB
local part = ("x"):rep(1 << 20)
local t = {}
for i = 1, 100 do t[i] = part end
pcall(table.concat, t)
pcall(string.format, ("%s"):rep(100), table.unpack(t))
print "survived"
