-- coroutines.lua - the CPU limit is reached in coroutines, wrapped and nested.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local function nest(n)
  if n == 0 then
    while true do end
  end
  local ok, err = coroutine.resume(coroutine.create(nest), n - 1)
  return nest(n)
end
while true do
  pcall(nest, 100)
end
print "survived"
