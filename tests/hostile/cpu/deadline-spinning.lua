-- deadline-spinning.lua - and while a task does not stop.
-- status: 12
-- args: --deadline 50ms
while true do pcall(function() while true do end end) end
