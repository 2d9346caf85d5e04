-- lost-finalizer.lua - no memory is left for the stack of a finalizer, which then
-- does not run.
-- status: 0 11
-- args: --cpu 1s --memory 3MiB
local security = require "security"
function recurse(a) recurse(nil) end
for _ = 1, 30 do
  coroutine.spawn(function() pcall(security.scope, {}, {}, {}) end)
end
local t = {{year = pcall(recurse, string)}, {}, {}}
