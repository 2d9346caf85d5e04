-- buffers.lua - what channels hold counts.
-- status: 11
-- args: --memory 16MiB
local all = {}
while true do
  local ch = channel.new(10000)
  all[#all + 1] = ch
  for i = 1, 10000 do pcall(ch.send, ch, ("x"):rep(100) .. i) end
end
