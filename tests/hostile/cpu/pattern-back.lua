-- pattern-back.lua - back references to what is long.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
pcall(string.find, ("a"):rep(20000), "(.*)(.*)%1%2b")
print "survived"
