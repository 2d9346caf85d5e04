-- error-wrap.lua - an error that is wrapped for ever.
-- status: 11
-- args: --memory 8MiB --cpu 30s
local e = errors.new("x")
while true do
  pcall(function() e = errors.wrap(e, ("context"):rep(1000)) end)
end
