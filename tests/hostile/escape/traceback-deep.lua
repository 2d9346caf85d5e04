-- traceback-deep.lua - of a deep stack both ends are told, in lines like others.
-- status: 1
-- args: --cpu 2s
-- stderr: 	... (skipping 133 levels)
local function deep(n)
  if n == 0 then error("here") end
  deep(n - 1)
end
deep(150)
