-- small-then-large.lua - what hundred thousands of small things have taken and
-- given back is there for a few large ones.
-- status: 0
-- args: --memory 8MiB --cpu 5s
-- stdout: fine
local half = ("x"):rep(500000)
for _ = 1, 3 do
  local t = {}
  for i = 1, 60000 do t[i] = {} end
  t = nil
  local large = {}
  for i = 1, 6 do large[i] = half .. half .. i end
  large = nil
end
print("fine")
