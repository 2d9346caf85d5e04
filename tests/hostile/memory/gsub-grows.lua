-- gsub-grows.lua - a replacement that makes everything longer.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local s = "x"
while true do
  local ok, r = pcall(string.gsub, s, "x", ("x"):rep(10))
  if ok then s = r end
end
