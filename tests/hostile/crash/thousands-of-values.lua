-- thousands-of-values.lua - more values than a stack has room for, through every
-- way between coroutines.
-- status: 0
-- args: --cpu 2s --memory 64MiB
-- stdout: whole
local t = {}
for i = 1, 200000 do t[i] = i end
for _, n in ipairs {200, 10000, 199000} do
  local function all() return unpack(t, 1, n) end
  local co = coroutine.create(function(...)
    coroutine.yield(...)
    return ...
  end)
  pcall(function() coroutine.resume(co, all()) end)
  pcall(function() coroutine.resume(co, all()) end)
  local wrapped = coroutine.wrap(function(...)
    while true do coroutine.yield(...) end
  end)
  for _ = 1, 10 do pcall(function() wrapped(all()) end) end
  pcall(function() return pcall(all) end)
  pcall(function() return xpcall(all, print) end)
  pcall(function() return select(-1, all()) end)
  pcall(function() return math.max(all()) end)
  pcall(function() return string.char(all()) end)
  pcall(function() return table.pack(all()) end)
  pcall(function() return {all(), all()} end)
  pcall(coroutine.wrap(all))
end
print "whole"
