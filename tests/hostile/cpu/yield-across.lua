-- yield-across.lua - yields where one cannot yield.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
while true do
  coroutine.wrap(function()
    pcall(table.sort, {3, 2, 1}, coroutine.yield)
    pcall(string.gsub, "xyz", ".", coroutine.yield)
    pcall(setmetatable({}, {__index = coroutine.yield}).x)
  end)()
end
