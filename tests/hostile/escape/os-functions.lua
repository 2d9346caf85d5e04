-- os-functions.lua - os.date and os.time with what they should not take.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
for _, f in ipairs {"%", "%E", "%O", "%Ez", "%Oz", "%Q", "%v", "%\0", "!%c", "*",
    "*t", "!*t", "**t", "%k", "%s", "%+", ("%"):rep(100), ("%c"):rep(300), "%n%t",
    "%EY%Od"} do
  pcall(os.date, f)
  pcall(os.date, f, 1e15)
  pcall(os.date, f, math.maxinteger)
  pcall(os.date, f, math.mininteger)
  pcall(os.date, f, -1)
end
for _, v in ipairs {math.maxinteger, math.mininteger, 0, -1, 1e9, "x", {}, 2^31} do
  pcall(os.time, {year = v, month = v, day = v, hour = v, min = v, sec = v})
  pcall(os.time, {year = 2024, month = 1, day = v, isdst = v})
  pcall(os.difftime, v, v)
end
pcall(os.time, setmetatable({}, {__index = function(_, k) return 1 << 62 end}))
pcall(os.time, setmetatable({}, {__index = function(_, k) return os.time({}) end}))
print "contained"
