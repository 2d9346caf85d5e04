-- gsub-nothing.lua - gsub that matches the empty string everywhere.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
local s = ("x"):rep(100000)
while true do s:gsub("", "") end
