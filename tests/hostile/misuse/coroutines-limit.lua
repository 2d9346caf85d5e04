-- coroutines-limit.lua - coroutine 10,000 beside the main task is refused, and
-- the refusal can be caught; who lets go of some can make others.
-- status: 0
-- stdout: 9999 made
-- stdout: 9990 more
local all, ok, err = {}, nil, nil
local function forever() while true do coroutine.yield() end end
repeat
  ok, err = pcall(function()
    local co = coroutine.create(forever)
    if #all % 3 == 0 then coroutine.resume(co) end
    all[#all + 1] = co
  end)
until not ok
print(#all .. " made")
assert(err:find("too many coroutines: 10000 tasks and coroutines are alive"))
for _ = 1, 100 do
  ok, err = pcall(coroutine.wrap, forever)
  assert(not ok and err:find "too many coroutines")
  ok, err = pcall(coroutine.spawn, forever)
  assert(not ok and err:find "too many tasks")
end
-- the dead are not alive, whoever refers to them
for i = 1, 9990 do assert(coroutine.close(all[i])) end
local more = {}
for i = 1, 9990 do more[i] = coroutine.wrap(function() end) end
assert(coroutine.status(all[1]) == "dead" and #all == 9999)
for i = 1, 9990 do more[i]() end
print(#more .. " more")
