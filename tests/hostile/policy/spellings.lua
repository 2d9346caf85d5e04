-- spellings.lua - one address in every spelling there is; none is allowed.
-- status: 0
-- args: --cpu 5s --memory 16MiB -q --allow ws://allowed.invalid/
-- stdout: refused them all
local websocket = require "websocket"
for _, host in ipairs {"127.0.0.1", "127.1", "2130706433", "0x7f000001",
    "017700000001", "0x7f.1", "127.0.0.1.", "localhost", "LOCALHOST",
    "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[0:0:0:0:0:0:0:1]",
    "0", "0.0.0.0", "[::]", "%6cocalhost", "loc%61lhost", "127%2e0%2e0%2e1",
    "169.254.169.254", "[fe80::1%25lo]", "[fe80::1]", "10.0.0.1", "192.168.0.1",
    "172.16.0.1", "[fd00::1]", "100.64.0.1", "\u{FF11}27.0.0.1", "allowed.invalid:81", "x@allowed.invalid", "allowed.invalid@127.0.0.1",
    "allowed.invalid#@127.0.0.1", "allowed.invalid\\@127.0.0.1",
    "allowed.invalid%00.evil", "evil/allowed.invalid", "allowed.invalid.evil",
    "evilallowed.invalid", "ALLOWED.INVALID\0", "allowed.invalid\t", " ", "",
    "-", "a..b", ("a"):rep(64), ("a."):rep(128), "\u{2024}", "xn--", "[", "]",
    "[::1", "::1", "[v1.x]", "1.2.3.4.5", "256.1.1.1"} do
  for _, scheme in ipairs {"ws://", "wss://", "WS://", "http://", "file://",
      "ws:/", "ws:", "//", "", "ws://u:p@", "ws:\\\\"} do
    local ok, client, err = pcall(websocket.connect, scheme .. host .. "/")
    assert(ok and client == nil, scheme .. host)
    assert(err:kind() == errors.PERMISSION_DENIED or
           err:kind() == errors.INVALID, scheme .. host)
    assert(err:retryable() == false)
  end
end
print "refused them all"
