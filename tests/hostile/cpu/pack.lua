-- pack.lua - packing and unpacking for ever.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local f = ("!16i16z"):rep(20)
while true do
  pcall(string.pack, f, 1, "x", 2, "y")
  pcall(string.packsize, ("i8"):rep(10000))
  pcall(string.unpack, ("b"):rep(10000), ("x"):rep(10000))
end
