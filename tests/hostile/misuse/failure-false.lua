-- failure-false.lua - and false, err.
-- status: 1
-- stderr: gone fishing
return {main = function() return false, "gone fishing", 3 end}
