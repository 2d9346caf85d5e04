-- deadline-in-handler.lua - a deadline in a message handler.
-- status: 12
-- args: --deadline 50ms --cpu 5s
xpcall(error, function() while true do end end)
print "survived"
