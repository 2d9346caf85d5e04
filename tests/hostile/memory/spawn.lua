-- spawn.lua - the limit is met by tasks that are just being made.
-- status: 11
-- args: --memory 16MiB
local many = {}
for i = 1, 20000 do many[i] = i end
while true do
  pcall(coroutine.spawn, function() channel.new():receive() end,
        table.unpack(many))
end
