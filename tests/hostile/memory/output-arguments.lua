-- output-arguments.lua - one line of many arguments.
-- status: 13
-- args: --max-output 1KiB --cpu 5s --memory 16MiB
pcall(print, table.unpack({}, 1, 1000))
print "survived"
