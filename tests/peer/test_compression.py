"""permessage-deflate with python3-websockets, in all its shades, also behind
nginx; and servers that answer the offer wrongly, or send bombs."""

import unittest
import zlib

from peer import (Certificates, Nginx, PeerTest, RawServer, WebSocketServer,
                  frame, main, policy_for, read_head, switching)

TALK = """
local websocket = require "websocket"
local client = assert(websocket.connect(arg[1], {
  compression = websocket.COMPRESSION[arg[2]], compression_threshold = 64}))
local ch = client:channel()
local sizes = {0, 1, 63, 64, 65, 1000, 70000, 500000}
for _, size in ipairs(sizes) do
  for _, text in ipairs {"x", [[{'id':1,'name':'ñandú'} ]]} do
    local data = text:rep(size)
    assert(client:send(data))
    local msg = ch:receive()
    assert(msg.data == data and msg.type == "text")
  end
end
local noise = {}
for i = 1, 100000 do noise[i] = string.char((i * i * 7 >> 5) & 255) end
noise = table.concat(noise)
for _ = 1, 3 do
  assert(client:send(noise, websocket.BINARY))
  assert(ch:receive().data == noise)
end
client:close()
print "done"
"""

REPORT = """
local websocket = require "websocket"
local client, err = websocket.connect(arg[1], {
  compression = websocket.COMPRESSION[arg[2]], read_limit = 100000})
if not client then
  print(err:kind(), (err:details() or {}).stage, tostring(err))
  return
end
local ch = client:channel()
repeat local msg, ok = ch:receive() until not ok
print(client:close_info().code)
"""


class Compression(PeerTest):
    def talk(self, mode, extensions):
        server = self.enter(WebSocketServer(extensions=extensions))
        seen = []

        async def echo(ws):
            seen.extend(e.name for e in ws.extensions)
            await server.echo(ws)
        server.handler = echo
        url = server.url + "/z"
        self.check(TALK, url, mode, policy=policy_for(url), out=["done"])
        self.assertEqual(server.errors, [])
        return server.requests[0][1]["Sec-WebSocket-Extensions"], seen

    def test_with_every_parameter(self):
        from websockets.extensions import permessage_deflate as pmd
        for mode in "CONTEXT_TAKEOVER", "NO_CONTEXT":
            for options in (
                    {}, {"server_max_window_bits": 9},
                    {"client_max_window_bits": 9},
                    {"client_max_window_bits": 15,
                     "server_max_window_bits": 15},
                    {"server_no_context_takeover": True},
                    {"client_no_context_takeover": True},
                    {"server_no_context_takeover": True,
                     "client_no_context_takeover": True,
                     "server_max_window_bits": 10,
                     "client_max_window_bits": 10}):
                with self.subTest(mode=mode, **options):
                    offer, seen = self.talk(
                        mode, [pmd.ServerPerMessageDeflateFactory(**options)])
                    self.assertIn("client_max_window_bits", offer)
                    self.assertEqual("server_no_context_takeover" in offer,
                                     mode == "NO_CONTEXT")
                    self.assertEqual(seen, ["permessage-deflate"])

    def test_server_without_it(self):
        _, seen = self.talk("CONTEXT_TAKEOVER", [])
        self.assertEqual(seen, [])

    def test_not_offered_unless_asked_for(self):
        server = self.enter(WebSocketServer(compression="deflate"))
        url = server.url + "/z"
        self.check(TALK, url, "DISABLED", policy=policy_for(url), out=["done"])
        self.assertNotIn("Sec-WebSocket-Extensions", server.requests[0][1])

    def test_behind_nginx(self):
        certificates = Certificates.get()
        server = self.enter(WebSocketServer(compression="deflate"))
        nginx = self.enter(Nginx(
            self.folder, server.port, certificates.path("localhost.pem"),
            certificates.path("localhost.key")))
        url = "wss://localhost:%d/ws" % nginx.port
        self.check(TALK, url, "CONTEXT_TAKEOVER", policy=policy_for(url),
                   options=["--ca", certificates.ca], out=["done"])
        self.assertIn("permessage-deflate",
                      server.requests[0][1]["Sec-WebSocket-Extensions"])


class Faults(PeerTest):
    def answer(self, extensions, mode="CONTEXT_TAKEOVER", behind=b""):
        def serve(peer):
            peer.sendall(switching(
                read_head(peer)[1],
                "Sec-WebSocket-Extensions: %s\r\n" % extensions) + behind)
            while peer.recv(4096):
                pass
        server = self.enter(RawServer(serve))
        url = "ws://127.0.0.1:%d/x" % server.port
        return self.check(REPORT, url, mode, policy=policy_for(url)).out

    def test_wrong_answers(self):
        for mode, extensions in (
                ("DISABLED", "permessage-deflate"),
                ("CONTEXT_TAKEOVER", "x-webkit-deflate-frame"),
                ("CONTEXT_TAKEOVER", "permessage-deflate, x"),
                ("CONTEXT_TAKEOVER",
                 "permessage-deflate; server_max_window_bits=16"),
                ("CONTEXT_TAKEOVER", "permessage-deflate; x=1"),
                ("NO_CONTEXT", "permessage-deflate")):
            out = self.answer(extensions, mode)
            self.assertIn("Internal\thandshake", out)

    def test_bomb(self):
        z = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = z.compress(bytes(200_000_000)) + z.flush(zlib.Z_SYNC_FLUSH)
        body = body[:-4]
        self.assertEqual(self.answer("permessage-deflate",
                                     behind=frame(2, body, rsv=4)), "1009\n")

    def test_not_deflate(self):
        self.assertEqual(self.answer("permessage-deflate",
                                     behind=frame(1, b"\xff\xff", rsv=4)),
                         "1007\n")


if __name__ == "__main__":
    main()
