-- failure-returned.lua - main's nil, err is a failure of the script.
-- status: 1
-- stderr: gone fishing
return {main = function() return nil, errors.new("gone fishing") end}
