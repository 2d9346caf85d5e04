-- wrap-in-sort.lua - coroutines run inside a comparator, but cannot wait there.
-- status: 0
-- stdout: fine
local time = require "time"
local t = {}
for i = 1, 100 do t[i] = i * 37 % 101 end
local generator = coroutine.wrap(function()
  while true do coroutine.yield(true) end
end)
table.sort(t, function(a, b) return generator() and a < b end)
for i = 2, 100 do assert(t[i - 1] <= t[i]) end
local function waits()
  coroutine.wrap(function() time.sleep("1ms") end)()
end
local ok, err = pcall(table.sort, {3, 2, 1}, waits)
assert(not ok and err:find("cannot wait here"))
ok, err = pcall(string.gsub, "abc", ".", waits)
assert(not ok and err:find("cannot wait here"))
local ch = channel.new()
ok, err = pcall(table.sort, {3, 2, 1}, function()
  coroutine.wrap(function() ch:receive() end)()
end)
assert(not ok and err:find("cannot wait here"))
-- nothing is left in the channel's queue
coroutine.spawn(function() ch:send("clean") end)
assert(ch:receive() == "clean")
-- a long comparator is only preempted where it can be
table.sort(t, function(a, b)
  coroutine.wrap(function() for _ = 1, 20000 do end end)()
  return a < b
end)
print "fine"
