-- lua-997f11f5.lua - "break" out of a loop with an upvalue and a variable to
-- be closed.
-- args: --cpu 100ms --memory 8MiB
-- lua-bug: 997f11f5
local function test()
  local closed = false
  local guard = setmetatable({}, {__close = function() closed = true end})
  for k in next, {}, nil, guard do
    local function f() return k end
    break
  end
  return closed
end
for _ = 1, 10000 do test() end
