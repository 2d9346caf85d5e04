-- for-forever.lua - numeric loops that cannot end soon.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
for i = math.mininteger, math.maxinteger do end
print "survived"
