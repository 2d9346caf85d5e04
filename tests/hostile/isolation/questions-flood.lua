-- questions-flood.lua - questions of policy as fast as they come: each costs
-- the script its own time.
-- status: 10
-- args: --cpu 300ms --memory 16MiB
-- stderr: CPU limit
local security = require "security"
while true do
  security.can("websocket.connect", "ws://localhost:1/", {a = {1, 2, 3}})
end
