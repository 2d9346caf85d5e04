-- strings.lua - doubling a string meets the memory limit.
-- status: 11
-- args: --memory 16MiB
local s = "x"
while true do
  pcall(function() s = s .. s end)
end
