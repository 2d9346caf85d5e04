-- one-close-list.lua - a hundred thousand variables to close when the stack is
-- left by an error.
-- status: 10 1
-- args: --cpu 100ms --memory 64MiB
local guard = setmetatable({}, {__close = function() for _ = 1, 100 do end end})
local function open(n)
  local a <close> = guard
  if n == 0 then error "unwind" end
  return (open(n - 1))
end
while true do pcall(open, 190) pcall(coroutine.wrap(open), 190) end
