-- address-by-name.lua - an allowed name that stands for an address of the
-- own machine is refused before a packet is sent.
-- status: 0
-- args: --cpu 5s --memory 16MiB -q --allow ws://*.localhost:*/ --allow ws://ip6-localhost:*/
-- stdout: refused
local websocket = require "websocket"
for _, name in ipairs {"ip6-localhost", "x.localhost"} do
  local client, err = websocket.connect("ws://" .. name .. ":1/")
  assert(client == nil, name)
  assert(err:kind() ~= errors.UNKNOWN)
end
print "refused"
