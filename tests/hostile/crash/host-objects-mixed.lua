-- host-objects-mixed.lua - every method of every host object on every other.
-- status: 0
-- args: --cpu 5s --memory 32MiB -q
-- stdout: fine
local time, json, security = require "time", require "json", require "security"
local websocket = require "websocket"
local ch = channel.new(1)
local objects = {ch, ch:case_receive(), ch:case_send(1), errors.new("x"),
  time.now(), time.parse_duration("1h"), time.utc, time.timer("1h"),
  time.ticker("1h"), time.after("1h"), json.null, security.actor(),
  security.scope(), websocket, time, json, errors, channel, security,
  websocket.CLOSE_CODES, coroutine.running(), print, "text", 1, {}, true}
local names = {"send", "receive", "close", "capacity", "case_receive",
  "case_send", "channel", "response", "stop", "reset", "kind", "message",
  "retryable", "details", "stack", "add", "sub", "add_date", "format", "unix",
  "utc", "location", "hours", "string", "id", "meta", "with", "without",
  "contains", "policies", "evaluate", "ping", "close_info", "subprotocol",
  "before", "round", "year", "connect", "encode", "new", "select"}
local methods = {}
for _, o in ipairs(objects) do
  for _, name in ipairs(names) do
    local ok, f = pcall(function() return o[name] end)
    if ok and type(f) == "function" and name ~= "receive" and name ~= "select"
    then
      methods[#methods + 1] = f
    end
  end
end
for _, f in ipairs(methods) do
  for _, o in ipairs(objects) do
    if f ~= ch.send then pcall(f, o) end
    pcall(f, nil, o)
    for _, p in ipairs {ch, time.now(), "x", {}, 3} do
      if f ~= ch.send then pcall(f, o, p) pcall(f, o, p, p, p) end
    end
  end
end
for _, a in ipairs(objects) do
  for _, b in ipairs(objects) do
    pcall(function() return a .. b end)
    pcall(function() return a + b end)
    pcall(function() return a - b end)
    pcall(function() return a < b end)
    pcall(function() return a <= b end)
    local _ = a == b
  end
  pcall(function() return #a end)
  pcall(function() a.x = 1 end)
  pcall(function() return a() end)
  if type(a) == "userdata" then assert(not pcall(setmetatable, a, {})) end
  pcall(rawset, a, 1, 1)
  pcall(rawlen, a)
  pcall(next, a)
  pcall(function() for _ in pairs(a) do end end)
  pcall(tostring, a)
  local t = type(getmetatable(a))
  assert(t ~= "table" and t ~= "userdata")
end
print "fine"
