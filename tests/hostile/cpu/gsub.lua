-- gsub.lua - the CPU limit is reached in a replacement.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
while true do
  pcall(string.gsub, ("x"):rep(1000), "x", function() while true do end end)
end
print "survived"
