-- giant-select.lua - as many cases as are allowed, and one more.
-- status: 0
-- stdout: fine
local cases, ch = {}, channel.new()
for i = 1, 10000 do
  cases[i] = channel.new():case_receive()
end
cases[10000] = ch:case_receive()
coroutine.spawn(function() ch:send("hit") end)
assert(channel.select(cases).value == "hit")
assert(channel.select {default = true, table.unpack(cases, 1, 9999)}.default)
cases[10001] = ch:case_receive()
assert(not pcall(channel.select, cases))
-- one channel ten thousand times, in both directions
local sends = {}
for i = 1, 10000 do
  sends[i] = i % 2 == 0 and ch:case_send(i) or ch:case_receive()
end
coroutine.spawn(function() channel.select(sends) end)
local r = channel.select(sends)
assert(r.channel == ch and r.ok)
print "fine"
