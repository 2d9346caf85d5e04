-- unpack.lua - results by the million.
-- status: 10 11
-- args: --memory 8MiB --cpu 200ms
while true do pcall(table.unpack, {}, 1, 900000) end
