-- weak-connect.lua - options that the collector takes away while they are used.
-- status: 0
-- args: --memory 1MiB --allow ws://localhost:1/ -q
-- stdout: done
local websocket = require "websocket"
for round = 1, 300 do
  local options = setmetatable({}, {__mode = "v"})
  options.headers = {["X-" .. ("a"):rep(60) .. round] = ("v"):rep(200) .. round}
  options.protocols = {("p"):rep(100) .. round}
  local garbage = {}
  for i = 1, round do garbage[i] = {} end
  local client, err = websocket.connect("ws://localhost:1/", options)
  assert(not client and err:kind() == errors.INTERNAL)
end
print "done"
