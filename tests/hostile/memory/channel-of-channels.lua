-- channel-of-channels.lua - channels in channels.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local ch = channel.new(1)
while true do
  pcall(function()
    local next = channel.new(100)
    next:send(ch)
    ch = next
  end)
end
