-- main-metamethod.lua - main is looked for in the table itself.
-- status: 0
-- args: --cpu 1s --memory 8MiB
return setmetatable({}, {__index = {main = function() print "survived" end}})
