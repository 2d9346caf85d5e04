-- nested-policies.lua - objects of policy by the thousand, collected and
-- forgotten.
-- status: 0
-- args: --cpu 5s --memory 16MiB
-- stdout: fine
local security = require "security"
local last
for i = 1, 3000 do
  local scope = security.scope()
  local actor = security.actor()
  if i % 7 == 0 then last = {scope, actor, last and last[1]} end
end
print "fine"
