-- time-zone-paths.lua - names of zones that lead to other files.
-- status: 0
-- stdout: none
local time = require "time"
for _, name in ipairs {
  "../../etc/passwd", "/etc/passwd", "Europe/../../../../etc/passwd", "..",
  ".", "./UTC", "Europe/./Paris", "\0", "UTC\0/../x", "//etc/passwd",
  "/proc/self/environ", "Europe//Paris", "~root", "%2e%2e/x",
} do
  local loc, err = time.load_location(name)
  assert(not loc and err:kind() == errors.NOT_FOUND, name)
  assert(not tostring(err):find "root:")
end
print "none"
