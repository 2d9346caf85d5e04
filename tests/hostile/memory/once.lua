-- once.lua - the first "not enough memory" can be caught.
-- status: 0
-- args: --memory 16MiB
-- stdout: caught once
local ok, err = pcall(string.rep, "x", 1 << 30)
assert(not ok and err == "not enough memory")
print "caught once"
