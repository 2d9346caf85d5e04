-- finalizer-of-host.lua - host objects that are found again after they were
-- collected.
-- status: 0
-- args: --cpu 20s --memory 8MiB
-- stdout: contained
local time = require "time"
local found = setmetatable({}, {__mode = "k"})
local revived = {}
for i = 1, 3000 do
  local ch = channel.new(1)
  ch:send({})
  found[ch] = {ch:case_receive(), ch:case_send(1)}
  found[time.ticker("1us")] = true
  if i % 100 == 0 then
    for o, cases in pairs(found) do
      revived[#revived + 1] = o
      pcall(function() o:close() o:receive() end)
      pcall(function() o:channel():receive() end)
      if type(cases) == "table" then
        cases.default = true
        pcall(channel.select, cases)
      end
    end
    revived = {}
  end
end
print "contained"
