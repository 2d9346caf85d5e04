-- close-of-closed.lua - closed channels stay closed and stay harmless.
-- status: 0
-- args: --cpu 1s --memory 8MiB
-- stdout: fine
local ch = channel.new(3)
for i = 1, 3 do ch:send(i) end
ch:close()
ch:close()
assert(#ch == 3 and not pcall(ch.send, ch, 4))
for i = 1, 3 do
  local v, ok = ch:receive()
  assert(v == i and ok)
end
for _ = 1, 3 do
  local v, ok = ch:receive()
  assert(v == nil and ok == false)
end
assert(channel.select({ch:case_receive()}).ok == false)
assert(not pcall(channel.select, {ch:case_send(1)}))
for _, n in ipairs {-1, 10001, 1 << 62, 0.5, "x", {}, math.mininteger} do
  assert(not pcall(channel.new, n))
end
print "fine"
