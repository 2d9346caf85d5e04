-- near-the-limit.lua - a script that lives just below its limit goes on.
-- status: 0 11
-- args: --memory 8MiB --cpu 5s
local hold = {}
local ok = pcall(function()
  while true do hold[#hold + 1] = ("x"):rep(10000) .. #hold end
end)
assert(not ok)
for i = #hold, #hold // 2, -1 do hold[i] = nil end
for i = 1, 10000 do local t = {i, {}, tostring(i)} end
print "fine"
