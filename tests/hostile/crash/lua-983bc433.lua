-- lua-983bc433.lua - __newindex of a weak metatable is collected in use.
-- args: --cpu 100ms --memory 1MiB
-- lua-bug: 983bc433
local garbage = {}
while true do
  pcall(function()
    local mt = setmetatable({__newindex = {}}, {__mode = "v"})
    local t = setmetatable({}, mt)
    for i = 1, 1000 do
      t[i] = ("x"):rep(100)
      garbage[#garbage + 1] = {}
    end
  end)
  garbage = {}
end
