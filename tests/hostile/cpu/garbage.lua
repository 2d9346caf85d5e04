-- garbage.lua - nothing but garbage.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
while true do local _ = {{}, {}, function() end, ("x"):rep(100)} end
