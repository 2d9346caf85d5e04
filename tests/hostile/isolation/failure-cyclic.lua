-- failure-cyclic.lua - the second result says why it failed, and is a table
-- that holds itself and does harm to whoever asks it.
-- status: 1
-- args: --cpu 1s --memory 8MiB
-- stderr: table value
local t = setmetatable({}, {__tostring = function() print "escaped" end,
  __name = "\27[2Jescaped"})
t[1] = t
return nil, t
