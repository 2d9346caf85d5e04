-- for-float.lua - a loop whose step is too small to count.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
for x = 2^53, 2^53 + 10, 0.25 do end
print "survived"
