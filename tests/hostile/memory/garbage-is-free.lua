-- garbage-is-free.lua - two hundred megabytes of garbage in eight megabytes.
-- status: 0
-- args: --memory 8MiB --cpu 10s
-- stdout: fine
for i = 1, 200 do local s = ("x"):rep(1 << 20) .. i end
print "fine"
