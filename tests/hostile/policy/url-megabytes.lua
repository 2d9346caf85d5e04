-- url-megabytes.lua - what no URL can be is refused in the same words wherever
-- the script runs, and its text is nobody's to carry around.
-- status: 0
-- args: --cpu 2s --memory 16MiB -q --allow ws://allowed.invalid/
-- stdout: refused
local websocket = require "websocket"
for _, n in ipairs {2100, 4095, 4096, 4097, 65536, 1000000} do
  local client, err = websocket.connect("ws://allowed.invalid/" ..
                                        ("a"):rep(n - 21))
  assert(client == nil and err:kind() == errors.INVALID)
  assert(err:message() == ("URL of %s, expected at most 2048"):format(
    n < 4096 and n .. " bytes" or "4096 bytes or more"), err:message())
end
print("refused")
