-- random.lua - a random generator asked without end.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
while true do math.random(0) math.randomseed(1) end
