-- require.lua - the CPU limit is reached in a require that fails.
-- status: 10
-- args: --cpu 100ms
-- stderr: CPU limit
while true do
  pcall(require, "no such module")
  pcall(require, ("x"):rep(500))
end
print "survived"
