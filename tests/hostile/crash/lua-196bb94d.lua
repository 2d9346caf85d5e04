-- lua-196bb94d.lua - closing a variable moves the stack of the function that
-- closes it.
-- args: --cpu 100ms --memory 16MiB
-- lua-bug: 196bb94d
local function deep(n) if n > 0 then return 1 + deep(n - 1) end return 0 end
local guard = setmetatable({}, {__close = function() deep(150) end})
while true do
  coroutine.wrap(function()
    for _ in function() return nil end, nil, nil, guard do end
    local a <close> = guard
    return 1, 2, 3
  end)()
end
