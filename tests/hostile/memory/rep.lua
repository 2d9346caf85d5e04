-- rep.lua - a string that does not fit, again and again.
-- status: 11
-- args: --memory 16MiB
for _ = 1, 10 do
  pcall(string.rep, "x", 1 << 30)
end
print "survived"
