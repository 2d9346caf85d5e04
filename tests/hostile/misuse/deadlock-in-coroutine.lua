-- deadlock-in-coroutine.lua - also from within coroutines.
-- status: 1
-- stderr: all tasks are asleep
local ch = channel.new()
local function nest(n)
  if n == 0 then
    return ch:receive()
  end
  return coroutine.wrap(nest)(n - 1)
end
nest(50)
