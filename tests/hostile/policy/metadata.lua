-- metadata.lua - metadata that is too much, too deep, or itself.
-- status: 0
-- args: --cpu 30s --memory 32MiB -q
-- stdout: fine
local security = require "security"
local self = {}
self.self = self
local deep = {}
for _ = 1, 500 do deep = {x = deep} end
local wide, long = {}, {x = ("y"):rep(5 << 20)}
for i = 1, 200000 do wide["k" .. i] = i end
local weak = setmetatable({}, {__mode = "v"})
for i = 1, 500 do weak["k" .. i] = {} end
for _, meta in ipairs {self, deep, wide, long, weak, {print}, {x = print},
    {x = 0/0}, {[1] = 1, a = 2}, {[{}] = 1}, {x = channel.new()},
    setmetatable({}, {__index = error, __pairs = error, __len = error})} do
  pcall(security.can, "websocket.connect", "", meta)
  pcall(security.new_actor, "x", meta)
end
for _ = 1, 100 do
  local w = setmetatable({}, {__mode = "v"})
  for i = 1, 300 do w["k" .. i] = {a = {i}} end
  pcall(security.can, "x", "y", w)
end
print "fine"
