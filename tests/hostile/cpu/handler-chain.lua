-- handler-chain.lua - the CPU limit is reached in handlers of handlers.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
local function handler()
  return xpcall(error, handler)
end
while true do
  xpcall(error, handler)
end
print "survived"
