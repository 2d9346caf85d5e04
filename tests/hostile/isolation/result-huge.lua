-- result-huge.lua - a script that returns more than anybody wants to hear.
-- status: 0
-- args: --cpu 2s --memory 64MiB
-- stdout: fine
local t = {}
for i = 1, 200000 do t[i] = ("r"):rep(20) end
print "fine"
return t, ("x"):rep(8 << 20), table.unpack(t, 1, 5000)
