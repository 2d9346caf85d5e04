-- security-meta.lua - questions with all the metadata that is allowed.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local s = require 'security'
local m = {}
for i = 1, 2000 do m['k' .. i] = ('v'):rep(20) end
while true do s.new_actor('x', m) s.can('a', 'b', m) end
