-- handler-waits.lua - a message handler cannot wait.
-- status: 0
-- stdout: fine
local waited
local ok, e = xpcall(error, function()
  waited = select(2, pcall(require "time".sleep, "1ms"))
  return "handled"
end)
assert(not ok and e == "handled" and waited:find("cannot wait here"))
print "fine"
