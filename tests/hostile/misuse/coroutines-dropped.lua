-- coroutines-dropped.lua - coroutines that nobody can reach any more are not
-- counted, however they came to be that: however many there were.
-- status: 0
-- args: --cpu 60s
-- stdout: 200000 made
local n = 0
local function made() n = n + 1 end
for _ = 1, 40000 do coroutine.create(made); made() end
for _ = 1, 40000 do -- begun, and never gone on with
  coroutine.wrap(function() coroutine.yield() end)(); made()
end
for _ = 1, 40000 do -- ended in an error, which wrap closes
  pcall(coroutine.wrap(function() error "x" end)); made()
end
for _ = 1, 20000 do -- one inside the other, all of them suspended for ever
  coroutine.wrap(function()
    coroutine.wrap(function() made(); coroutine.yield() end)()
    made()
    coroutine.yield()
  end)()
end
-- in weak tables, and found there again by their closing
local weak = setmetatable({}, {__mode = "kv"})
for i = 1, 20000 do
  local co
  co = coroutine.create(function()
    local c <close> = setmetatable({}, {__close = function()
      weak[i % 64] = coroutine.running()
    end})
    coroutine.yield(c)
  end)
  weak[co] = co
  coroutine.resume(co)
  if i % 2 == 0 then coroutine.close(co) end
  made()
end
-- with 9,900 others that stay
local all = {}
for i = 1, 9900 do all[i] = coroutine.create(made) end
for _ = 1, 20000 do coroutine.create(made); made() end
print(n .. " made")
