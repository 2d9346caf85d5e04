-- question-names.lua - actions, resources and ids of odd bytes and odd lengths.
-- status: 0
-- args: --cpu 5s --memory 32MiB
-- stdout: fine
local security = require "security"
local odd = {"", "\0", "a\0b", "\255\254", "\27]0;x\7", "\r\n\r\n", "..",
  "%s%n", ("x"):rep(70000), ("\0"):rep(300), "\xed\xa0\x80", "a:b:c", ":", "::"}
for _, a in ipairs(odd) do
  for _, b in ipairs(odd) do
    pcall(security.can, a, b)
  end
  pcall(security.policy, a)
  pcall(security.named_scope, a)
  pcall(security.new_actor, a, {[a] = a})
end
assert(security.can("x", "y") == false)
print "fine"
