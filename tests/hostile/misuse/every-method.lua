-- every-method.lua - every method of an object, on objects and values of every
-- other kind; every operator on all of them.
-- status: 0
-- args: --cpu 9s --memory 32MiB
-- stdout: whole
local time = require "time"
local objects = {
  channel.new(2), channel.new(1):case_receive(), errors.new "e", time.now(),
  time.parse_duration "1s", time.timer "1h", time.ticker "1h", time.utc,
}
local values = {
  0, -1, 1.5, math.maxinteger, math.mininteger, 0 / 0, 1 / 0, "", "x", "\0",
  true, {}, setmetatable({}, {__index = function() return 1 end}), math.abs,
  coroutine.create(math.abs), table.unpack(objects),
}
local n = #values + 1
local names = {
  "capacity", "close", "case_receive", "case_send", "kind", "message",
  "retryable", "details", "stack", "add", "sub", "add_date", "before", "after",
  "equal", "format", "unix", "unix_nano", "date", "clock", "weekday",
  "year_day", "utc", "in_local", "in_location", "location", "round",
  "truncate", "hours", "nanoseconds", "channel", "response", "stop", "reset",
}
local operators = {
  function(a, b) return a + b end, function(a, b) return a - b end,
  function(a, b) return a * b end, function(a, b) return a / b end,
  function(a, b) return a // b end, function(a, b) return a % b end,
  function(a, b) return a ~ b end, function(a, b) return a .. b end,
  function(a, b) return a < b end, function(a, b) return a <= b end,
  function(a, b) return a == b end, function(a, b) return a[b] end,
  function(a, b) a[b] = 1 end, function(a, b) return a(b) end,
  function(a) return #a end, function(a) return -a end,
  function(a) return ~a end,
}
local function field(object, name) return object[name] end
for _, object in ipairs(objects) do
  for _, name in ipairs(names) do
    local ok, method = pcall(field, object, name)
    if ok and type(method) == "function" then
      for i = 1, n do
        pcall(method, values[i])
        for j = 1, n do pcall(method, object, values[i], values[j]) end
      end
    end
  end
  for i = 1, n do
    for _, operator in ipairs(operators) do
      if values[i] ~= math.abs then
        pcall(operator, object, values[i])
        pcall(operator, values[i], object)
      end
    end
  end
end
print "whole"
