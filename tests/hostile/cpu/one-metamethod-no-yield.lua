-- one-metamethod-no-yield.lua - metamethods that C calls, and that do not return.
-- status: 10
-- args: --cpu 100ms --memory 16MiB
local spin = function() while true do end end
local t = setmetatable({}, {__index = spin, __len = spin, __lt = spin,
                            __tostring = spin, __newindex = spin})
while true do
  pcall(table.concat, t)
  pcall(table.unpack, t, 1, 3)
  pcall(os.time, t)
  pcall(tostring, t)
  pcall(table.insert, t, 1)
end
