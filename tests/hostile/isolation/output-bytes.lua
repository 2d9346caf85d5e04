-- output-bytes.lua - output of all bytes, of nothing, and of many small pieces
-- comes whole and in order.
-- status: 0
-- args: --cpu 5s --memory 16MiB
-- stdout: the end
for i = 1, 5000 do print() end
local all = {}
for i = 0, 255 do all[#all + 1] = string.char(i) end
print(table.concat(all))
print(("y"):rep(1 << 20))
print "the end"
