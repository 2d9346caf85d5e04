-- found-in-weak-table.lua - channels are received from while their finalizers run.
-- status: 0
-- args: --cpu 30s
-- stdout: fine
local time = require 'time'
local ballast = {} for i = 1, 200000 do ballast[i] = {} end
local weak = setmetatable({}, {__mode = 'k'})
local last = setmetatable({}, {__mode = 'k'})
local rx = time.after('1us').receive
local len = function(c) return #c end
for round = 1, 4 do
  for i = 1, 4500 do local c = time.after('1us') if c then weak[c] = i if i == 4500 then last[c] = true end end end
  time.sleep('10ms')
  local junk, tries = nil, 0
  while true do
    local c = next(last)
    if not c or not pcall(len, c) then break end
    c = nil
    tries = tries + 1
    junk = ('x'):rep(1100 + tries % 100)
  end
  -- the finalizers have begun: newest first
  for c, i in pairs(weak) do pcall(rx, c) end
  for c in pairs(weak) do weak[c] = nil end
end
print "fine"
