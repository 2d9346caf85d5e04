-- protocols.lua - subprotocols that are none, or too many.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- server: show
-- stdout: refused them all
local websocket = require "websocket"
local function refused(protocols)
  local client, err = websocket.connect(arg[1], {protocols = protocols})
  assert(client == nil and err:kind() == errors.INVALID)
end
refused {"a b"}
refused {"a,b"}
refused {"a\r\nX: y"}
refused {""}
refused {"a", "a"}
refused {1}
refused {{}}
refused {("p"):rep(300)}
refused "chat"
local many = {}
for i = 1, 33 do many[i] = "p" .. i end
refused(many)
print "refused them all"
