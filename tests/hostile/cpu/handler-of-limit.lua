-- handler-of-limit.lua - the handler of the error that the limit is.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local function stay() print "survived" while true do end end
while true do
  xpcall(function()
    table.sort({3, 2, 1}, function() while true do end end)
  end, stay)
end
