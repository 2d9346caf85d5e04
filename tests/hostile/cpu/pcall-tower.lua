-- pcall-tower.lua - the CPU limit is reached in protected calls in protected calls.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local function tower(n)
  while true do
    pcall(tower, n + 1)
  end
end
tower(1)
print "survived"
