-- error-forged.lua - the words of a memory error are no way to go on for ever:
-- told once, as if it were one, and a script that says them again is stopped.
-- status: 11
-- args: --memory 4MiB --cpu 2s
for _ = 1, 1000 do
  local ok, err = pcall(error, "not enough memory", 0)
  assert(not ok and err == "not enough memory")
  local again = coroutine.wrap(function() error("not enough memory", 0) end)
  assert(not pcall(again))
end
print("survived")
