-- flap.lua - all memory taken and let go of, again and again.
-- status: 11
-- args: --cpu 5s --memory 64MiB
-- stderr: memory limit
while true do pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(1 << 20) .. #t end end) end
