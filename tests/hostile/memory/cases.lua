-- cases.lua - cases by the million.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local ch, all = channel.new(), {}
while true do
  pcall(function() all[#all + 1] = ch:case_send(all) end)
end
