-- handler-in-handler.lua - error objects as message handlers and handlers
-- as errors.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
local e = errors.new("x")
assert(not pcall(xpcall, error, e))
assert(not pcall(xpcall, error, nil))
assert(not xpcall(error, error, e))
assert(not xpcall(error, print))
assert(not xpcall(error, coroutine.yield))
assert(not xpcall(error, pcall, error))
assert(not xpcall(error, xpcall))
assert(not xpcall(error, coroutine.wrap(function(...)
  while true do coroutine.yield(...) end
end)))
assert(not pcall(error))
assert(not pcall(pcall))
assert(select("#", pcall(error, nil)) == 2)
local ok, v = pcall(error, e)
assert(not ok and v == e)
print "fine"
