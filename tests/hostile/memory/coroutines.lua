-- coroutines.lua - memory errors inside coroutines count as well.
-- status: 11
-- args: --memory 16MiB
local all = {}
while true do
  coroutine.resume(coroutine.create(function()
    while true do all[#all + 1] = ("x"):rep(1000) .. #all end
  end))
  pcall(coroutine.wrap(function()
    while true do all[#all + 1] = ("x"):rep(1000) .. #all end
  end))
end
