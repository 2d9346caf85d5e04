-- utf8.lua - the utf8 functions over a megabyte.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local s = ("\u{7FFFFFFF}"):rep(1 << 17)
while true do
  pcall(utf8.len, s, 1, -1, true)
  pcall(utf8.offset, s, -100000)
  pcall(function() for _ in utf8.codes(s, true) do end end)
end
