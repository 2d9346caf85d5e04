-- iterator.lua - the CPU limit is reached in an iterator.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
for _ in function() return 1 end do end
print "survived"
