-- gc.lua - no finalizer, however it is put there.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- stdout: contained
local ran = false
local function gc() ran = true print "escaped" end
assert(not pcall(setmetatable, {}, {__gc = gc}))
assert(not pcall(setmetatable, {}, {__gc = true}))
assert(not pcall(setmetatable, {}, {__gc = false}))
local m = {}
for _ = 1, 1000 do setmetatable({}, m) end
m.__gc = gc
rawset(m, "__gc", gc)
m = setmetatable({}, {__index = {__gc = gc}})
for _ = 1, 1000 do setmetatable({}, m) end
m = setmetatable({}, {__newindex = function(t, k, v) rawset(t, k, v) end})
setmetatable(m, m)
m.__gc = gc
for i = 1, 20000 do local _ = ("x"):rep(1000) .. i end
assert(not ran)
print "contained"
