-- one-weak-clear.lua - weak tables of a million entries, cleared in one step.
-- status: 10
-- args: --cpu 200ms --memory 64MiB
local weak = setmetatable({}, {__mode = "v"})
while true do
  for i = 1, 200000 do weak[i] = {} end
end
