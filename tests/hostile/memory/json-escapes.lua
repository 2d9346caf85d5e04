-- json-escapes.lua - a string of escapes by the megabyte.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local json = require "json"
local all = {}
while true do
  pcall(function()
    local text = '"' .. ("\\u0041"):rep(100000) .. '"'
    all[#all + 1] = json.decode(text) .. #all
  end)
end
