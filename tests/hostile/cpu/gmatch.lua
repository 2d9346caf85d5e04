-- gmatch.lua - an iterator that matches for ever.
-- status: 10
-- args: --cpu 50ms --memory 8MiB
-- stderr: CPU limit
while true do
  for _ in ("x"):rep(1000):gmatch("()") do end
end
