-- lua-9386e49a.lua - a table that is all weak gets a new metatable while
-- the collector is at work.
-- args: --cpu 100ms --memory 8MiB
-- lua-bug: 9386e49a
local all = {}
for i = 1, 500 do all[i] = setmetatable({}, {__mode = "kv"}) end
while true do
  for i = 1, 500 do
    setmetatable(all[i], {__mode = "kv", __index = {("x"):rep(50) .. i}})
  end
  for i = 1, 500 do
    local _ = all[i][1]
    all[i][{}] = {}
  end
end
