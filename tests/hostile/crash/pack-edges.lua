-- pack-edges.lua - formats of string.pack that do not fit.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
for _, f in ipairs {"i17", "i0", "!17", "!3 i4", "s9", "c", "c999",
    "X", "Xz", "Xi99", ("i"):rep(1000), "z\0", "<>=!", "!16Xi16", "s8", "j99", "I16i16", "d d f n", "!0", "!", "c0", " "} do
  for _, v in ipairs {math.mininteger, -1, 0, 255, "", "a\0b", ("x"):rep(300)} do
    pcall(string.pack, f, v, v, v)
  end
  pcall(string.packsize, f)
  for pos = -3, 12 do
    pcall(string.unpack, f, "\255\255\255\255\255\255\255\255\255", pos)
  end
end
assert(not pcall(string.packsize, "c2147483647c2147483647"))
assert(not pcall(string.unpack, "s8", ("\255"):rep(8)))
print "fine"
