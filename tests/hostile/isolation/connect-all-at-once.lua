-- connect-all-at-once.lua - a hundred at once: 64 are open at most, and the
-- others are told so.
-- status: 0
-- args: --cpu 5s --memory 32MiB
-- server: echo
-- stdout: fine
local ws = require "websocket"
local url, ch, open, refused = (...), channel.new(100), {}, 0
for i = 1, 100 do
  coroutine.spawn(function()
    local c, e = ws.connect(url)
    ch:send {c = c, e = e}
  end)
end
for _ = 1, 100 do
  local r = ch:receive()
  if r.c then
    open[#open + 1] = r.c
  else
    assert(r.e:kind() == errors.RATE_LIMITED, tostring(r.e))
    refused = refused + 1
  end
end
assert(#open == 64 and refused == 36, #open)
for _, c in ipairs(open) do
  assert(c:send("here"))
  assert(c:channel():receive().data == "here")
end
print "fine"
