-- select-junk.lua - what is no case is refused before anything waits.
-- status: 0
-- stdout: fine
local ch = channel.new(1)
local case = ch:case_receive()
local liar = setmetatable({}, {__index = function() return case end,
                               __len = function() return 3 end})
for _, junk in ipairs {
  {}, {1}, {ch}, {case, "x"}, {false}, {print}, {default = false}, liar,
  {[2] = case, x = case}, {{}}, {case, nil, case, {}}} do
  assert(not pcall(channel.select, junk))
end
assert(not pcall(channel.select))
assert(not pcall(channel.select, nil))
assert(not pcall(channel.select, ch))
assert(not pcall(channel.select, "x"))
for _, method in ipairs {"send", "receive", "close", "capacity",
                         "case_receive", "case_send"} do
  assert(not pcall(ch[method]))
  assert(not pcall(ch[method], {}))
  assert(not pcall(ch[method], case))
  assert(not pcall(ch[method], require "time".now()))
end
assert(not pcall(function() ch.send = print end))
assert(not pcall(function() return ch.x.y end))
assert(not pcall(function() return #case end))
-- the table may change while the select waits
local wait = channel.new()
local cases = {wait:case_receive()}
coroutine.spawn(function()
  cases[1] = "junk"
  for i = 2, 1000 do cases[i] = {} end
  wait:send(7)
end)
assert(channel.select(cases).value == 7)
print "fine"
