-- char.lua - a string of many arguments.
-- status: 10 11
-- args: --memory 4MiB --cpu 200ms
local all = {}
while true do
  pcall(function()
    all[#all + 1] = string.char(table.unpack(all[1] or {1, 2, 3})) .. #all
    all[#all + 1] = {utf8.codepoint(("x"):rep(1000), 1, -1)}
  end)
end
