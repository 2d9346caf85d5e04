-- handler.lua - the CPU limit is reached in a message handler.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
while true do
  xpcall(error, function() while true do end end)
end
print "survived"
