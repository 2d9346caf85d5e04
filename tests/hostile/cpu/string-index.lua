-- string-index.lua - the CPU limit is reached in a metamethod of a string.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
string.spin = function() while true do end end
while true do
  pcall(function() ("x"):spin() end)
end
print "survived"
