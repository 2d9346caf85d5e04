-- options.lua - options of wrong types, out of range, or misspelt.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- server: show
-- stdout: refused them all
local websocket = require "websocket"
local junk = {{}, print, true, "x", -1, 0.5, 0/0, 1/0, -1/0, math.mininteger,
              1e300, "-1s", "1", "5 s", ("9"):rep(40) .. "s", channel.new()}
for _, name in ipairs {"dial_timeout", "read_timeout", "write_timeout",
    "compression", "compression_threshold", "read_limit", "channel_capacity",
    "control_messages", "headers", "protocols", "Headers", "proxy", "host",
    "insecure", "verify", "__index", ""} do
  for _, value in ipairs(junk) do
    local ok, client, err = pcall(websocket.connect, arg[1], {[name] = value})
    if ok and client then
      client:close()
    else
      -- half a millisecond is a timeout, and may be too short
      assert(ok and (err:kind() == errors.INVALID and not err:retryable() or
                     err:kind() == errors.INTERNAL and value == 0.5), name)
    end
  end
end
for _, value in ipairs {10001, 0, 1 << 40} do
  assert(not websocket.connect(arg[1], {channel_capacity = value}))
end
assert(not websocket.connect(arg[1], {read_limit = (128 << 20) + 1}))
assert(not websocket.connect(arg[1], {compression_threshold = (100 << 20) + 1}))
assert(not websocket.connect(arg[1], {[1] = "x"}))
for _, o in ipairs {1, "x", print, channel.new()} do
  assert(not pcall(websocket.connect, arg[1], o))
end
for _, u in ipairs {1, {}, print, true, channel.new()} do
  assert(not pcall(websocket.connect, u))
end
assert(not pcall(websocket.connect))
print "refused them all"
