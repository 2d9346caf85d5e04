-- headers.lua - headers that would be more than headers.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- server: show
-- stdout: refused them all
local websocket = require "websocket"
local function refused(headers)
  local client, err = websocket.connect(arg[1], {headers = headers})
  assert(client == nil and err:kind() == errors.INVALID, tostring(err))
  assert(err:retryable() == false)
end
for _, value in ipairs {"a\r\nX: y", "a\nb", "a\rb", "a\0b", "\27[2J", "\127",
    "a\r\n\r\nGET / HTTP/1.1", "\11", "\12"} do
  refused {["X-Test"] = value}
end
for _, name in ipairs {"", " ", "X Y", "X:Y", "X\r\nY", "X\0", "\255", "(x)",
    "X;Y", "[x]", "{x}", "x/y", "a=b", "\"x\"", "X-\u{E9}"} do
  refused {[name] = "value"}
end
for _, name in ipairs {"Host", "HOST", "host", "Connection", "Upgrade",
    "Content-Length", "Transfer-Encoding", "Sec-WebSocket-Key",
    "sec-websocket-protocol", "Sec-WebSocket-Anything"} do
  refused {[name] = "value"}
end
refused {A = "1", a = "2"}
refused {A = 1}
refused {A = true}
refused {"value"}
refused {A = {}}
refused {[true] = "x"}
refused {A = ("x"):rep(9000)}
refused(setmetatable({A = 1}, {__index = {B = "x"}}))
refused "X: y"
refused(1)
local many = {}
for i = 1, 65 do many["X-" .. i] = "v" end
refused(many)
local client = assert(websocket.connect(arg[1], {headers = {["X-Fine"] = "v"}}))
assert(client:channel():receive().data:find("X-Fine: v", 1, true))
print "refused them all"
