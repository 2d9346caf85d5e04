-- output-one.lua - one line that is longer than all output.
-- status: 13
-- args: --max-output 1KiB --cpu 5s --memory 16MiB
pcall(print, ("x"):rep(2000))
print "survived"
