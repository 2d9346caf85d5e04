-- one-nested-handlers.lua - xpcall in handlers in comparators in replacements.
-- status: 10
-- args: --cpu 100ms --memory 16MiB
local function spin() while true do end end
local function h() return pcall(table.sort, {3, 2, 1}, function()
  ("x"):gsub("x", function() xpcall(error, spin) end) end) end
while true do xpcall(error, h) end
