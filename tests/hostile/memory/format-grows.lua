-- format-grows.lua - the same with string.format and "%q".
-- status: 11
-- args: --memory 8MiB --cpu 5s
local s = "\0\n\"\\"
while true do
  local ok, r = pcall(string.format, "%q%q", s, s)
  if ok then s = r end
end
