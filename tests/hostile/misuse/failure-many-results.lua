-- failure-many-results.lua - results by the thousand are no trouble.
-- status: 0
-- stdout: main ran
local many = {}
for i = 1, 100000 do many[i] = i end
return {main = function()
  print "main ran"
  return 1, table.unpack(many)
end}, table.unpack(many)
