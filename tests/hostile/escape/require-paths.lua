-- require-paths.lua - names that try to leave the script's folder.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
for _, name in ipairs {"..", "...", "../escape/globals", "/etc/passwd", "a/../b",
    "..globals", ".globals", "globals.", "a..b", "a//b", "\\\\host\\share",
    "c:globals", "globals\0", "globals\n", "globals.lua\0.x", "~/x", "$HOME",
    "%2e%2e", "..%2fglobals", "\u{2024}\u{2024}/x", "\255\254", "con", "",
    "/dev/stdin", "/proc/self/environ", "file:///etc/passwd",
    "http://localhost/x", "_G", "io", "os", "debug", "package", "string", "load",
    ("x"):rep(201), ("../"):rep(60)} do
  local ok, err = pcall(require, name)
  assert(not ok, name)
  assert(type(err) == "string" and not err:find("root:"), name)
end
for _, name in ipairs {1, {}, print, true} do
  assert(not pcall(require, name))
end
assert(not pcall(require))
print "contained"
