-- channel-of-host.lua - what the host feeds a script cannot put words into, nor
-- close, nor wait to send to.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- server: echo
-- stdout: only received from
local websocket, time = require "websocket", require "time"
local client = assert(websocket.connect(arg[1]))
for _, ch in ipairs {client:channel(), time.ticker("1h"):channel(),
                     time.timer("1h"):channel(), time.after("1h")} do
  local ok, err = pcall(ch.send, ch, "forged")
  assert(not ok and tostring(err):find("fed by the host"), tostring(err))
  ok, err = pcall(ch.close, ch)
  assert(not ok and tostring(err):find("fed by the host"), tostring(err))
  ok, err = pcall(ch.case_send, ch, "forged")
  assert(not ok and tostring(err):find("fed by the host"), tostring(err))
  assert(#ch == 0 and channel.select {ch:case_receive(), default = true}.default)
end
assert(client:channel() == client:receive())
assert(client:send("real"))
assert(client:channel():receive().data == "real")
print("only received from")
