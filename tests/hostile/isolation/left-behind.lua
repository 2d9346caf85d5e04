-- left-behind.lua - nor anything that the one before has left behind.
-- status: 0
-- args: --cpu 1s --memory 8MiB
-- stdout: alone
assert(not string.left_behind and not left_behind and not table.left_behind)
print "alone"
