-- error-in-close.lua - variables are closed when memory has run out.
-- status: 11
-- args: --memory 8MiB --cpu 5s
local hold = {}
local function fill() while true do hold[#hold + 1] = {} end end
pcall(function()
  local a <close> = setmetatable({}, {__close = function()
    pcall(fill) -- perhaps this is told: the error outside was not caught yet
    pcall(fill)
    print "survived"
  end})
  fill()
end)
