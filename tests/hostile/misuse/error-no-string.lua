-- error-no-string.lua - errors need not be strings; nothing of the script is
-- called to describe one.
-- status: 1
-- stderr: (error object is a table value)
error(setmetatable({}, {__tostring = function() while true do end end,
                        __name = "a lie"}))
