-- error-details.lua - details that are one small table many times.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
local d = {}
for i = 1, 1000 do d[i] = {i} end
local e = errors.new {message = "x", details = d}
while true do e:details() end
