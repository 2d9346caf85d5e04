-- string-table.lua - as many different short strings as there is room for.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local all = {}
while true do
  pcall(function()
    for i = #all, #all + 1000 do all[#all + 1] = "s" .. i end
  end)
end
