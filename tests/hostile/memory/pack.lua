-- pack.lua - string.pack with padding by the gigabyte.
-- status: 11
-- args: --memory 8MiB --cpu 2s
while true do pcall(string.pack, "c2147483647", "x") end
