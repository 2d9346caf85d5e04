-- security-objects.lua - what a script builds with the security module lets
-- it do nothing.
-- status: 0
-- args: --cpu 2s --memory 16MiB -q
-- stdout: nothing changed
local security, websocket = require "security", require "websocket"
assert(security.can("websocket.connect", "") == false)
for _, f in ipairs {
  function() return security.new_actor("root", {role = "admin"}) end,
  function() return security.new_scope {} end,
  function() return security.new_scope() end,
  function() return security.scope():with(security.policy("a:b")) end,
  function() return security.scope():without("a:b") end,
  function() return security.named_scope("a:b") end,
  function() return security.policy("a:b") end} do
  pcall(f)
end
local actor = security.actor()
if actor then
  assert(not pcall(function() actor.id = "root" end))
  local meta = actor:meta()
  if meta then meta.role = "admin" end
end
pcall(rawset, security, "can", function() return true end)
assert(not pcall(function() security.can = print end))
local client, err = websocket.connect("wss://example.com/")
assert(not client and err:kind() == errors.PERMISSION_DENIED)
print "nothing changed"
