-- error-once.lua - not enough memory is raised once, as a string.
-- status: 11
-- args: --memory 8MiB --cpu 5s
-- stdout: not enough memory
local ok, err = pcall(string.rep, "x", 1 << 28)
print(err)
pcall(string.rep, "x", 1 << 28)
print "survived"
