-- stack.lua - a stack that is as deep as it gets, in many coroutines.
-- status: 11
-- args: --memory 16MiB --cpu 5s
local all = {}
local function deep(n)
  if n == 0 then
    coroutine.yield()
  end
  return 1 + deep(n - 1)
end
while true do
  pcall(function()
    all[#all + 1] = coroutine.create(deep)
    coroutine.resume(all[#all], 10000)
  end)
end
