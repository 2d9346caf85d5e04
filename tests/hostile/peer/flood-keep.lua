-- flood-keep.lua - the same, to a script that keeps it.
-- status: 10 11
-- args: --cpu 200ms --memory 4MiB
-- server: flood
local client = assert(require "websocket".connect(arg[1]))
local all = {}
while true do
  pcall(function()
    while true do all[#all + 1] = client:channel():receive().data .. #all end
  end)
end
