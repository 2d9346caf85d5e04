-- error-stack.lua - error objects with deep stacks.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local function deep(n)
  if n == 0 then
    while true do errors.wrap(errors.new("x"), "y") end
  end
  return (deep(n - 1))
end
deep(150)
