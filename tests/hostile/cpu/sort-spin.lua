-- sort-spin.lua - the CPU limit is reached in a comparator that does not return.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
pcall(table.sort, {3, 2, 1}, function() while true do end end)
print "survived"
