-- return-values.lua - whatever a script returns is a result.
-- status: 0
-- args: --cpu 1s --memory 8MiB
local t = setmetatable({}, {__index = function() error "asked" end,
                            __tostring = function() error "asked" end,
                            __call = function() error "asked" end})
return t, t, t
