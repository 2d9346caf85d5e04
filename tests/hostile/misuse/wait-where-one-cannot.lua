-- wait-where-one-cannot.lua - blocking inside C callbacks raises, and only that.
-- status: 0
-- stdout: done
local time = require "time"
assert(not pcall(table.sort, {3, 2, 1}, function() time.sleep("1ms") end))
assert(not pcall(string.gsub, "abc", ".", function() time.sleep("1ms") end))
assert(not pcall(table.sort, {3, 2, 1}, function()
  channel.new():receive()
end))
time.sleep("1ms")
print "done"
