-- gmatch-after-error.lua - gmatch is called again after a pattern that was
-- too complex (commit efddc230 of Lua).
-- status: 0
-- args: --cpu 1s --memory 32MiB
-- stdout: fine
local it = (("x"):rep(400000)):gmatch(("(.-"):rep(31) .. ("x?"):rep(210000))
for _ = 1, 5 do pcall(it) end
it = ("abc"):gmatch("(")
assert(not pcall(it))
for _ = 1, 5 do pcall(it) end
print "fine"
