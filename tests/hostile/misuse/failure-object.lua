-- failure-object.lua - a failure that is no error object.
-- status: 1
-- args: --cpu 1s --memory 8MiB
return nil, setmetatable({}, {__tostring = function() print "survived" end})
