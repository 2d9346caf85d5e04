-- catch-the-stop.lua - the CPU limit cannot be caught.
-- status: 10
-- args: --cpu 300ms
for _ = 1, 10 do
  pcall(function() while true do end end)
  coroutine.wrap(function() while true do end end)()
end
print "survived"
