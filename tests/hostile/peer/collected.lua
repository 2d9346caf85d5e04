-- collected.lua - clients that nobody keeps are closed, not leaked.
-- status: 0
-- args: --cpu 5s --memory 8MiB --max-connections 5
-- server: echo
-- stdout: fine
local websocket, time = require "websocket", require "time"
local opened = 0
for i = 1, 40 do
  local client = websocket.connect(arg[1])
  if client then
    opened = opened + 1
    client = nil
  end
  for j = 1, 2000 do local garbage = ("x"):rep(1000) .. j end
end
assert(opened > 10)
print "fine"
