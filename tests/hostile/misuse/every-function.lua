-- every-function.lua - every function there is, with values of every type.
-- status: 0
-- args: --cpu 9s --memory 32MiB
-- stdout: whole
local time = require "time"
local modules = {
  string = string, table = table, math = math, utf8 = utf8, os = os,
  coroutine = coroutine, errors = errors, channel = channel, time = time,
  json = require "json", security = require "security", globals = {
    assert = assert, error = error, getmetatable = getmetatable,
    ipairs = ipairs, next = next, pairs = pairs, pcall = pcall,
    rawequal = rawequal, rawget = rawget, rawlen = rawlen, rawset = rawset,
    require = require, select = select, setmetatable = setmetatable,
    tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
    xpcall = xpcall,
  },
}
-- these would wait, start what waits, or fill the memory
local left_out = {sleep = true, spawn = true, yield = true, rep = true}
local values = {
  0, -1, 1.5, math.maxinteger, math.mininteger, 0 / 0, 1 / 0, "", "x", "\0",
  "%", true, {}, {1, 2}, setmetatable({}, {__index = function() return 1 end}),
  math.abs, coroutine.create(math.abs), channel.new(2), errors.new "e",
  time.now(), time.parse_duration "1s",
}
local n = #values + 1 -- the last one is nil
for name, module in pairs(modules) do
  for key, f in pairs(module) do
    if type(f) == "function" and not left_out[key] and
      not (name == "channel" and key == "select") then
      pcall(f)
      for i = 1, n do
        pcall(f, values[i])
        for j = 1, n, 2 do
          pcall(f, values[i], values[j])
          pcall(f, values[i], values[j], values[(i * 7 + j) % n + 1])
        end
      end
    end
  end
end
print "whole"
