"""What a script cannot see of its connections: how they are dialled, what goes
over the wire, in which order is asked, and the defaults."""

import base64
import os
import unittest
from unittest import mock

from peer import (Certificates, PeerTest, RawServer, frame, main, policy_for,
                  read_head, switching)

GREET = """
local websocket = require "websocket"
local client = assert(websocket.connect(arg[1]))
print(client:channel():receive().data)
client:close()
"""


class Greeter(RawServer):
    """Says hello and answers the goodbye; notes what the clients sent."""

    def __init__(self, tls=None, head="", say=frame(1, b"hello")):
        super().__init__(self.talk, tls)
        self.head = head
        self.say = say
        self.keys = []
        self.protocols = []  # of ALPN
        self.frames = []     # (first byte, mask, payload as it was sent)

    def talk(self, peer):
        if self.tls:
            self.protocols.append(peer.selected_alpn_protocol())
        fields = read_head(peer)[1]
        self.keys.append(fields["sec-websocket-key"])
        peer.sendall(switching(fields, self.head) + self.say)
        while True:
            first, second = self.exactly(peer, 2)
            size = {126: 2, 127: 8}.get(second & 0x7F, 0)
            n = second & 0x7F
            if size:
                n = int.from_bytes(self.exactly(peer, size), "big")
            mask = self.exactly(peer, 4)
            self.frames.append((first, mask, self.exactly(peer, n)))
            if first & 15 == 8:
                peer.sendall(frame(8, b"\3\xe8"))
                return

    @staticmethod
    def exactly(peer, n):
        data = b""
        while len(data) < n:
            piece = peer.recv(n - len(data))
            if not piece:
                raise ConnectionError("closed in a frame")
            data += piece
        return data


class Unseen(PeerTest):
    def test_proxies_are_not_asked(self):
        server = self.enter(Greeter())
        proxy = self.enter(RawServer(lambda peer: peer.recv(4096)))
        names = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy",
                 "wss_proxy", "socks_proxy")
        env = {}
        for name in names:
            env[name] = env[name.upper()] = proxy.url.replace("ws", "http", 1)
        with mock.patch.dict(os.environ, env):
            self.check(GREET, server.url + "/x", out=["hello"],
                       policy=policy_for(server.url + "/x"))
        self.assertEqual(proxy.accepted, 0)

    def test_the_server_is_named(self):
        """SNI: names only (RFC 6066, section 3); ALPN: http/1.1."""
        certificates = Certificates.get()
        context = certificates.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        named = []
        context.sni_callback = lambda _, name, __: named.append(name)
        server = self.enter(Greeter(context))
        for host in ("localhost", "127.0.0.1"):
            url = "wss://%s:%d/x" % (host, server.port)
            self.check(GREET, url, out=["hello"], policy=policy_for(url),
                       options=["--ca", certificates.ca])
        self.assertEqual(named, ["localhost", None])
        self.assertEqual(server.protocols, ["http/1.1"] * 2)

    def test_keys_and_masks(self):
        """Of 16 and of 4 random bytes, new for each connection and frame."""
        server = self.enter(Greeter())
        self.check("""
            local websocket = require "websocket"
            for _ = 1, 8 do
              local client = assert(websocket.connect(arg[1]))
              for i = 1, 60 do client:send("a text that is the same") end
              client:close()
              while select(2, client:channel():receive()) do end
            end
        """, server.url + "/x", policy=policy_for(server.url + "/x"))
        self.assertEqual({len(base64.b64decode(k, validate=True))
                          for k in server.keys}, {16})
        self.assertEqual(len(set(server.keys)), 8)
        masks = [mask for _, mask, _ in server.frames]
        self.assertEqual(len(masks), 8 * 61)
        # two of 488 are the same once in 36,000 times
        self.assertGreaterEqual(len(set(masks)), len(masks) - 1)
        for at in range(4):
            self.assertGreater(len({mask[at] for mask in masks}), 128)

    def test_the_order_of_the_checks(self):
        """Arguments, the action, the URL, the action about it."""
        server = self.enter(Greeter())
        ask = """
            local client, err = require "websocket".connect(arg[1], {%s})
            assert(not client)
            print(err:kind(), (err:details() or {}).action)
        """
        connect = policy_for().replace("websocket.connect.url", "x.y")
        for options, url, policy, want in (
                ("read_limit = -1", "no url", None, "Invalid\tnil"),
                ("", "no url", None, "PermissionDenied\twebsocket.connect"),
                ("", "no url", connect, "Invalid\tnil"),
                ("", server.url + "/x", connect,
                 "PermissionDenied\twebsocket.connect.url")):
            with self.subTest(want=want, url=url):
                self.check(ask % options, url, policy=policy, out=[want])
        self.assertEqual(server.accepted, 0)

    def test_defaults(self):
        limit = 16 << 20
        whole = self.enter(Greeter(say=frame(2, b"x" * limit)))
        over = self.enter(Greeter(say=frame(2, length=limit + 1)))
        self.check("""
            local websocket = require "websocket"
            local client = assert(websocket.connect(arg[1]))
            local channel = client:channel()
            print(channel:capacity(), #channel:receive().data)
            client:close()
            client = assert(websocket.connect(arg[2]))
            print(client:channel():receive())
            print(client:close_info().code)
        """, whole.url + "/x", over.url + "/x",
            policy=policy_for(whole.url + "/x", over.url + "/x"),
            out=["16\t%d" % limit, "nil\tfalse", "1009"])

    def test_the_threshold_of_compression(self):
        server = self.enter(Greeter(
            head="Sec-WebSocket-Extensions: permessage-deflate\r\n"))
        self.check("""
            local websocket = require "websocket"
            for _, threshold in ipairs {false, 100} do
              local client = assert(websocket.connect(arg[1], {
                compression = "context_takeover",
                compression_threshold = threshold or nil}))
              local n = threshold or 512
              client:send(("x"):rep(n - 1))
              client:send(("x"):rep(n))
              client:close()
              while select(2, client:channel():receive()) do end
            end
        """, server.url + "/x", policy=policy_for(server.url + "/x"))
        self.assertEqual([first for first, _, _ in server.frames],
                         [0x81, 0xC1, 0x88] * 2)


if __name__ == "__main__":
    main()
