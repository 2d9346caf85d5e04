-- finalizers-at-the-limit.lua - where the last byte is gone a finalizer of the
-- host cannot be called either; that is no fault of the script, which is told
-- once that there is no memory and then has it again.
-- status: 0
-- args: --memory 2MiB
-- stdout: told once

-- A function of its own: what is left in its registers must keep nothing alive.
local function fill()
  local keep = {}
  local ok, err = pcall(function()
    for i = 1, 1e6 do
      for _ = 1, 8 do channel.new(1) end -- garbage with finalizers
      keep[i] = {}
    end
  end)
  keep = nil
  return ok, err
end
local ok, err = fill()
assert(not ok and err:find "not enough memory", err)
for i = 1, 10000 do channel.new(1) end
print "told once"
