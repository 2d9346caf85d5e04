-- error-function.lua - or a function.
-- status: 1
-- stderr: (error object is a function value)
error(print)
