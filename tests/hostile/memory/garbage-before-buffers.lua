-- garbage-before-buffers.lua - more than half of the memory is in use, and what
-- makes long strings finds the rest full of garbage: that is collected first.
-- status: 0
-- args: --memory 4MiB --cpu 5s
-- stdout: all of them
local live = {}
for i = 1, 20 do live[i] = ("x"):rep(60000) .. i end
local time, json = require "time", require "json"
local s, parts, bytes = ("y"):rep(80000), {}, {}
for i = 1, 100 do parts[i] = s:sub(1, 800) end
for i = 1, 20000 do bytes[i] = 65 end
local layout = ("2006-01-02 "):rep(2000)
local makers = {
  rep = function() return ("z"):rep(80000) end,
  upper = function() return s:upper() end,
  lower = function() return s:lower() end,
  reverse = function() return s:reverse() end,
  char = function() return string.char(table.unpack(bytes)) end,
  pack = function() return string.pack("s", s) end,
  padded = function() return string.pack("c80000", "") end,
  gsub = function() return (s:gsub("yyyy", "zzzz")) end,
  concat = function() return table.concat(parts) end,
  format = function() return string.format("%s", s .. "\n") end,
  encode = function() return json.encode(parts) end,
  decode = function() return json.decode('"' .. s .. '"') end,
  time = function() return time.unix(0, 0):format(layout) end,
  date = function() return os.date(("x"):rep(4000)) end,
  wrap = function() return tostring(errors.wrap(errors.new(s), "context")) end,
  stack = function() return errors.new(s):stack() end,
  channel = function() return channel.new(1000) end,
}
local names = {}
for name in pairs(makers) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  local make = makers[name]
  for i = 1, 40 do
    for j = 1, 40 do local garbage = s:sub(j, 1000 + j) end
    local ok, err = pcall(make)
    if not ok then error(name .. ": " .. tostring(err)) end
  end
end
print("all of them")
