-- closures.lua - closures with upvalues.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local all = {}
while true do
  pcall(function()
    local a, b, c = {}, {}, {}
    all[#all + 1] = function() return a, b, c, all end
  end)
end
