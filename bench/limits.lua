-- limits.lua - six programs that compute, for bench/limits.py: prints the
-- seconds of processor time that the one named by the first argument took.

local programs = {}

function programs.fib()
  local function fib(n)
    if n < 2 then return n end
    return fib(n - 1) + fib(n - 2)
  end
  return fib(32)
end

function programs.nbody()
  local sun = 4 * math.pi ^ 2
  local year = 365.24
  local bodies = {
    {0, 0, 0, 0, 0, 0, sun},
    {4.841, -1.160, -0.104, 0.00166 * year, 0.00770 * year, -0.0000690 * year,
     0.000955 * sun},
    {8.343, 4.125, -0.404, -0.00277 * year, 0.00500 * year, 0.0000230 * year,
     0.000286 * sun},
    {12.894, -15.111, -0.223, 0.00296 * year, 0.00238 * year,
     -0.0000297 * year, 0.0000437 * sun},
    {15.380, -25.919, 0.179, 0.00268 * year, 0.00163 * year,
     -0.0000952 * year, 0.0000515 * sun}}
  local dt = 0.01
  for _ = 1, 120000 do
    for i = 1, #bodies do
      local a = bodies[i]
      for j = i + 1, #bodies do
        local b = bodies[j]
        local dx, dy, dz = a[1] - b[1], a[2] - b[2], a[3] - b[3]
        local d2 = dx * dx + dy * dy + dz * dz
        local mag = dt / (d2 * math.sqrt(d2))
        local am, bm = a[7] * mag, b[7] * mag
        a[4], a[5], a[6] = a[4] - dx * bm, a[5] - dy * bm, a[6] - dz * bm
        b[4], b[5], b[6] = b[4] + dx * am, b[5] + dy * am, b[6] + dz * am
      end
    end
    for i = 1, #bodies do
      local a = bodies[i]
      a[1], a[2], a[3] = a[1] + dt * a[4], a[2] + dt * a[5], a[3] + dt * a[6]
    end
  end
  return bodies[1][1]
end

programs["spectral-norm"] = function()
  local n = 220
  local function a(i, j)
    local ij = i + j - 1
    return 1 / (ij * (ij - 1) * 0.5 + i)
  end
  local function av(x, y)
    for i = 1, n do
      local s = 0
      for j = 1, n do s = s + x[j] * a(i, j) end
      y[i] = s
    end
  end
  local function atv(x, y)
    for i = 1, n do
      local s = 0
      for j = 1, n do s = s + x[j] * a(j, i) end
      y[i] = s
    end
  end
  local u, v, t = {}, {}, {}
  for i = 1, n do u[i] = 1 end
  for _ = 1, 10 do
    av(u, t) atv(t, v)
    av(v, t) atv(t, u)
  end
  return u[1]
end

function programs.strings()
  local total = 0
  for round = 1, 60 do
    local parts = {}
    for i = 1, 5000 do
      parts[#parts + 1] = "item " .. i .. ": " .. (i * round % 977)
    end
    local text = table.concat(parts, "\n")
    total = total + #text + #text:upper() + #(text:sub(1, 100):rep(20))
  end
  return total
end

function programs.sort()
  local seed, n = 42, 0
  for _ = 1, 6 do
    local t = {}
    for i = 1, 40000 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      t[i] = seed
    end
    table.sort(t, function(a, b) return a < b end)
    n = n + t[1]
  end
  return n
end

function programs.patterns()
  local line = "2026-11-23T14:22:31Z level=info user=alice id=93841 took=17ms "
  local text = line:rep(400)
  local n = 0
  for _ = 1, 40 do
    for key, value in text:gmatch "(%a+)=(%w+)" do n = n + #key + #value end
    n = n + select(2, text:gsub("%d+", function(d) return d + 1 end))
    n = n + (text:find("took=18ms", 1, true) or 0)
  end
  return n
end

local start = os.clock()
local result = programs[(...)]()
print(os.clock() - start, result)
