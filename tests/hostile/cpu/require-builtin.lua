-- require-builtin.lua - modules asked for again and again.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
while true do
  require "json" require "time" require "websocket"
end
