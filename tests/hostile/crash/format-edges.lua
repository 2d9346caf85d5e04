-- format-edges.lua - conversions that are too long or none.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: fine
for _, f in ipairs {"%", "%%%", "%0", "%100d", "%.100f", "%-+ #0d", "%-+ #00d",
    "%1$s", "%*d", "%n", "%hhn", "%ls", "%S", "%p", "%P", "%99.99s", "%q",
    "%10q", "%.3q", "%c", "%5c", "%.3c", "%i", "%u", "%ld", "%\0d", "%d\0%s",
    "%s%s%s", ("%s"):rep(300), ("%d"):rep(300), "%5%", "%.", "%1.",
    "%0000000000000000000005d"} do
  for _, v in ipairs {1, -1, 1e308, -0.0, 0/0, math.mininteger, "a\0b", "x"} do
    pcall(string.format, f, v)
    pcall(string.format, f, v, v, v)
  end
  pcall(string.format, f, {}, print, nil)
  pcall(string.format, f, setmetatable({}, {__tostring = error}))
  pcall(string.format, f, setmetatable({}, {__tostring = function() return 1 end}))
  pcall(string.format, f, setmetatable({}, {__name = ("n"):rep(10000)}))
end
assert(not pcall(string.format, "%p", print))
assert(#string.format("%.99f", 1e308) < 500)
print "fine"
