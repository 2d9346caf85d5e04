-- errors-wrapped.lua - errors in errors, twenty thousand times.
-- status: 10
-- args: --cpu 50ms --memory 64MiB
-- stderr: CPU limit
while true do
local e = errors.new 'x'
for i = 1, 20000 do e = errors.wrap(e, 'context') end
local s = tostring(e)
end
