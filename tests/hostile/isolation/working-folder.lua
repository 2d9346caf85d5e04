-- working-folder.lua - there is no way to see or to change where one is.
-- status: 0
-- args: --cpu 1s --memory 8MiB
-- words: one two
-- stdout: fine
assert(arg[1] == "one" and arg[2] == "two" and arg[3] == nil and arg[-1] == nil)
assert(os.getenv == nil and os.tmpname == nil)
for _, m in ipairs {"lfs", "posix", "socket", "ffi", "luv", "uv", "ssl"} do
  assert(not pcall(require, m))
end
print "fine"
