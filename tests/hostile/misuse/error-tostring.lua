-- error-tostring.lua - an error whose text would be asked for for ever.
-- status: 1
-- args: --cpu 1s --memory 8MiB
error(setmetatable({}, {__tostring = function() while true do end end,
                        __name = function() end, __metatable = {}}))
