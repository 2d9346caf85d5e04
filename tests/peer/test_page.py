"""Every example of the websocket page that cordon's API comes from, as it is
written there, with the host names mapped to servers of ours."""

import json
import unittest

from peer import (Certificates, PeerTest, RawServer, WebSocketServer, main,
                  policy_for, read_head, wait_until)

# What the page takes for granted around its examples.
HEAD = """
local websocket = require("websocket")
local json = require("json")
local time = require("time")
local token, room_id = "t0ken", "lobby"
"""


class Page(PeerTest):
    def server(self, handler=None, **options):
        certificates = Certificates.get()
        return self.enter(WebSocketServer(
            handler, tls=certificates.context(), **options))

    def example(self, text, server, hosts, after="", before="", **kw):
        """Runs |text|, in which the |hosts| stand for |server|."""
        for host in hosts:
            self.assertIn(host, text)
            text = text.replace("wss://" + host, server.url)
        kw.setdefault("policy", policy_for(server.url + "/*"))
        return self.check(HEAD + before + text + after,
                          options=["--ca", Certificates.get().ca], **kw)

    BASIC = """
local client, err = websocket.connect("wss://api.example.com/ws")
if err then
    return nil, err
end
"""

    def connected(self, handler, example, **kw):
        """An example that works on a client that is there already."""
        server = self.server(handler)
        self.example(self.BASIC + example, server, ["api.example.com"], **kw)
        return server

    def test_basic_connection(self):
        server = self.server()
        self.example(self.BASIC, server, ["api.example.com"],
                     after='print("connected") client:close()',
                     out=["connected"])
        self.assertEqual(server.requests[0][0], "/ws")

    def test_basic_connection_refused(self):
        server = self.server()
        outcome = self.example(
            self.BASIC, server, ["api.example.com"], status=1, out=[],
            after='print("connected")', policy=policy_for("wss://elsewhere"))
        self.assertIn("denied websocket.connect.url", outcome.err)

    OPTIONS = """
local client, err = websocket.connect("wss://api.example.com/ws", {
    headers = {
        ["Authorization"] = "Bearer " .. token
    },
    protocols = {"graphql-ws"},
    dial_timeout = "10s",
    read_timeout = "30s",
    compression = websocket.COMPRESSION.CONTEXT_TAKEOVER
})
"""

    def test_options(self):
        server = self.server(subprotocols=["graphql-ws"],
                             compression="deflate")
        self.example(self.OPTIONS, server, ["api.example.com"],
                     after="""
assert(client, err)
local text = ("squeeze "):rep(1000)
client:send(text)
assert(client:channel():receive().data == text)
print(client:subprotocol())
client:close()
""",
                     out=["graphql-ws"])
        request = server.requests[0][1]
        self.assertEqual(request["Authorization"], "Bearer t0ken")
        self.assertIn("permessage-deflate",
                      request["Sec-WebSocket-Extensions"])

    def test_text_messages(self):
        received = []

        async def listen(ws):  # an answer could meet the close
            async for message in ws:
                received.append(message)
        server = self.connected(listen, """
local ok, err = client:send("Hello, Server!")
if err then
    return nil, err
end

-- Enviar JSON
client:send(json.encode({
    type = "subscribe",
    channel = "orders"
}))
""", after="assert(ok == true) client:close()")
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(received[0], "Hello, Server!")
        self.assertEqual(json.loads(received[1]),
                         {"type": "subscribe", "channel": "orders"})

    def test_binary_messages(self):
        server = self.connected(None, """
client:send(binary_data, websocket.BINARY)
""", before='local binary_data = "\\0\\255binary"\n', after="client:close()")
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(server.received, [b"\0\xffbinary"])

    def test_ping(self):
        server = self.connected(None, """
client:ping()
""", after="assert(client:ping() == true) client:close()")
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(server.closes, [(1000, "")])

    def test_basic_reception(self):
        async def hello(ws):
            await ws.send("hola")
            await ws.wait_closed()
        self.connected(hello, """
local ch = client:channel()

local msg, ok = ch:receive()
if ok then
    print("Type:", msg.type)  -- "text" o "binary"
    print("Data:", msg.data)
end
""", out=["Type:\ttext", "Data:\thola"])

    def test_message_loop(self):
        async def three(ws):
            for i in range(3):
                await ws.send(json.dumps({"n": i}))
                await ws.send(b"ignored")
        self.connected(three, """
local ch = client:channel()

while true do
    local msg, ok = ch:receive()
    if not ok then
        break  -- Conexión cerrada
    end

    if msg.type == "text" then
        local data = json.decode(msg.data)
        handle_message(data)
    end
end
""", before="local function handle_message(d) print(d.n) end\n",
            out=["0", "1", "2"])

    SELECT = """
local ch = client:channel()
local timeout = time.after("30s")

while true do
    local r = channel.select {
        ch:case_receive(),
        timeout:case_receive()
    }

    if r.channel == timeout then
        client:ping()  -- Keep-alive
        timeout = time.after("30s")
    else
        local data = json.decode(r.value.data)
        process(data)
    end
end
"""

    def test_select(self):
        async def three(ws):
            for i in range(3):
                await ws.send(json.dumps({"n": i}))
            await ws.wait_closed()
        # the example never ends by itself: process does
        self.connected(three, "pcall(function()" + self.SELECT + "end)",
                       before="""
local function process(d)
  print(d.n)
  if d.n == 2 then error("enough") end
end
""", after="client:close()", out=["0", "1", "2"])

    def test_select_with_a_short_heartbeat(self):
        pings = []

        async def late(ws):
            import asyncio
            # two heartbeats
            pong = ws.pong

            async def counted(data=b""):
                pings.append(data)
                await pong(data)
            ws.pong = counted
            while len(pings) < 2:
                await asyncio.sleep(0.02)
            await ws.send('{"n": 2}')
            await ws.wait_closed()
        self.connected(late, "pcall(function()" + self.SELECT.replace(
            "30s", "100ms") + "end)", before="""
local function process(d) print(d.n) error("enough") end
""", after="client:close()", out=["2"])
        self.assertGreaterEqual(len(pings), 2)

    def test_close_normal(self):
        for call, want in (
                ("client:close()", (1000, "")),
                ('client:close(websocket.CLOSE_CODES.NORMAL, "Session ended")',
                 (1000, "Session ended")),
                ("client:close(websocket.CLOSE_CODES.INTERNAL_ERROR,"
                 ' "Processing failed")', (1011, "Processing failed")),
                ('client:close(websocket.CLOSE_CODES.NORMAL, "Done")',
                 (1000, "Done"))):
            server = self.connected(None, call)
            wait_until(lambda: server.closes, "the close")
            self.assertEqual(server.closes, [want])

    def test_constants(self):
        self.check(HEAD + """
print(websocket.TEXT, websocket.BINARY)
print(websocket.TYPE_TEXT, websocket.TYPE_BINARY, websocket.TYPE_PING,
      websocket.TYPE_PONG, websocket.TYPE_CLOSE)
print(websocket.COMPRESSION.DISABLED, websocket.COMPRESSION.CONTEXT_TAKEOVER,
      websocket.COMPRESSION.NO_CONTEXT)
for _, name in ipairs {"NORMAL", "GOING_AWAY", "PROTOCOL_ERROR",
    "UNSUPPORTED_DATA", "NO_STATUS", "ABNORMAL_CLOSURE", "INVALID_PAYLOAD",
    "POLICY_VIOLATION", "MESSAGE_TOO_BIG", "INTERNAL_ERROR",
    "SERVICE_RESTART", "TRY_AGAIN_LATER"} do
  print(websocket.CLOSE_CODES[name])
end
""", out=["1\t2", "text\tbinary\tping\tpong\tclose", "0\t1\t2", "1000",
          "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009",
          "1011", "1012", "1013"])

    CHAT = """
local function connect_chat(room_id, on_message)
    local client, err = websocket.connect("wss://chat.example.com/ws", {
        headers = {["Authorization"] = "Bearer " .. token}
    })
    if err then
        return nil, err
    end

    -- Unirse a sala
    client:send(json.encode({
        type = "join",
        room = room_id
    }))

    -- Bucle de mensajes
    local ch = client:channel()
    while true do
        local msg, ok = ch:receive()
        if not ok then break end

        local data = json.decode(msg.data)
        on_message(data)
    end

    client:close()
end
"""

    def test_chat(self):
        joined = []

        async def chat(ws):
            joined.append(json.loads(await ws.recv()))
            for text in ("¡hola!", "adiós"):
                await ws.send(json.dumps({"text": text}))
        server = self.server(chat)
        self.example(self.CHAT, server, ["chat.example.com"], after="""
connect_chat(room_id, function(data) print(data.text) end)
""", out=["¡hola!", "adiós"])
        self.assertEqual(joined, [{"type": "join", "room": "lobby"}])
        self.assertEqual(server.requests[0][1]["Authorization"],
                         "Bearer t0ken")

    STREAM = """
local client = websocket.connect("wss://stream.example.com/prices")

client:send(json.encode({
    action = "subscribe",
    symbols = {"BTC-USD", "ETH-USD"}
}))

local ch = client:channel()
local heartbeat = time.after("30s")

while true do
    local r = channel.select {
        ch:case_receive(),
        heartbeat:case_receive()
    }

    if r.channel == heartbeat then
        client:ping()
        heartbeat = time.after("30s")
    elseif not r.ok then
        break  -- Conexión cerrada
    else
        local price = json.decode(r.value.data)
        update_price(price.symbol, price.value)
    end
end

client:close()
"""

    def stream(self, text):
        asked = []

        async def prices(ws):
            import asyncio
            asked.append(json.loads(await ws.recv()))
            await ws.send('{"symbol": "BTC-USD", "value": 1.5}')
            await asyncio.sleep(0.35)
            await ws.send('{"symbol": "ETH-USD", "value": 20}')
            await ws.close()
        server = self.server(prices)
        self.example(text, server, ["stream.example.com"], before="""
local function update_price(symbol, value) print(symbol, value) end
""", out=["BTC-USD\t1.5", "ETH-USD\t20"])
        self.assertEqual(asked, [{"action": "subscribe",
                                  "symbols": ["BTC-USD", "ETH-USD"]}])
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(server.closes, [(1000, "")])

    def test_stream(self):
        self.stream(self.STREAM)

    def test_stream_with_a_short_heartbeat(self):
        self.stream(self.STREAM.replace("30s", "100ms"))

    ERRORS = """
local client, err = websocket.connect(url)
if err then
    if errors.is(err, errors.PERMISSION_DENIED) then
        print("Acceso denegado:", err:message())
    elseif err:retryable() then
        print("Error temporal:", err:message())
    end
    return nil, err
end
"""

    def test_errors_denied(self):
        outcome = self.check(
            HEAD + 'local url = "wss://api.example.com/ws"\n' + self.ERRORS,
            status=1)
        self.assertTrue(outcome.out.startswith("Acceso denegado:\t"), outcome)

    def test_errors_temporary(self):
        server = self.enter(RawServer(
            lambda peer: (read_head(peer),
                          peer.sendall(b"HTTP/1.1 503 Busy\r\n\r\n"))))
        outcome = self.check(
            HEAD + "local url = arg[1]\n" + self.ERRORS, server.url + "/",
            policy=policy_for(server.url), status=1)
        self.assertTrue(outcome.out.startswith("Error temporal:\t"), outcome)

    def test_errors_bad_url(self):
        outcome = self.check(
            HEAD + 'local url = "https://api.example.com/ws"\n' +
            self.ERRORS, policy=policy_for("wss://api.example.com"),
            status=1, out=[])
        self.assertIn("Invalid", outcome.err)


if __name__ == "__main__":
    main()
