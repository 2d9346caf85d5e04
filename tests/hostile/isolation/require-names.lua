-- require-names.lua - modules of odd names are asked for, and are not there.
-- status: 0
-- args: --cpu 5s --memory 16MiB
-- stdout: fine
local names = {"", ".", "..", "/", "../../../etc/passwd", "/etc/passwd",
  "a\0b", "\0", "\255", "\27[2J", "a/b", "a\\b", "a.b.c.d.e.f", "...",
  ("x"):rep(200), ("x"):rep(201), ("x"):rep(100000), ("a."):rep(90) .. "a",
  "isolation\n", "%s%s%n", "-", "proc.self.environ", "CON", "~"}
for _, n in ipairs(names) do
  local ok, e = pcall(require, n)
  assert(not ok and #tostring(e) < 4096, n)
end
for i = 1, 300 do assert(not pcall(require, "none" .. i)) end
print "fine"
