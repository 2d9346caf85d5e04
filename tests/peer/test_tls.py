"""Certificates that must not be believed, and nginx in front of a server."""

import unittest

from peer import (Certificates, Nginx, NobodyListens, PeerTest, RawServer,
                  WebSocketServer, main, policy_for)

REPORT = """
local websocket = require "websocket"
local client, err = websocket.connect(arg[1])
if client then
  client:send "through"
  print(client:channel():receive().data)
  client:close()
  return
end
local d = err:details() or {}
print(err:kind(), err:retryable(), d.stage, d.status)
print(err:message())
"""


class Tls(PeerTest):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates.get()

    def fails(self, name, says, ca=True):
        server = self.enter(WebSocketServer(
            tls=self.certificates.context(name)))
        options = ["--ca", self.certificates.ca] if ca else []
        outcome = self.check(REPORT, server.url + "/x", options=options,
                             policy=policy_for(server.url + "/x"))
        self.assertEqual(outcome.lines[0], "Internal\ttrue\ttls\tnil",
                         outcome)
        self.assertRegex(outcome.lines[1].lower(), says)
        self.assertEqual(server.requests, [])

    def test_untrusted(self):
        self.fails("localhost", "issuer|trust|self.signed", ca=False)

    def test_wrong_host(self):
        self.fails("other", "localhost|host")

    def test_expired(self):
        self.fails("expired", "expired")

    def test_by_address(self):
        server = self.enter(WebSocketServer(tls=self.certificates.context()))
        url = "wss://127.0.0.1:%d/x" % server.port
        self.check(REPORT, url, options=["--ca", self.certificates.ca],
                   policy=policy_for(url), out=["through"])

    def test_no_tls_behind_the_port(self):
        server = self.enter(RawServer(
            lambda peer: peer.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")))
        url = "wss://localhost:%d/x" % server.port
        outcome = self.check(REPORT, url, policy=policy_for(url))
        self.assertEqual(outcome.lines[0], "Internal\ttrue\ttls\tnil")

    def test_tls_behind_a_plain_url(self):
        server = self.enter(WebSocketServer(tls=self.certificates.context()))
        url = "ws://localhost:%d/x" % server.port
        outcome = self.check(REPORT, url, policy=policy_for(url))
        self.assertEqual(outcome.lines[0], "Internal\ttrue\thandshake\tnil")

    def test_ca_file_that_is_none(self):
        bad = self.write("bad.pem", "no certificate\n")
        outcome = self.cordon("print 'ran'", options=["--ca", bad])
        self.assertIn(outcome.status, (2, 3), outcome)
        self.assertEqual(outcome.out, "")
        self.assertIn("bad.pem", outcome.err)


class BehindNginx(PeerTest):
    def setUp(self):
        super().setUp()
        self.ca = Certificates.get().ca

    def before(self, server):
        """What stands for |server|."""
        c = Certificates.get()
        nginx = self.enter(Nginx(self.folder, server.port,
                                 c.path("localhost.pem"),
                                 c.path("localhost.key")))
        return "wss://localhost:%d" % nginx.port

    def test_through(self):
        server = self.enter(WebSocketServer())
        base = self.before(server)
        self.check("""
            local websocket = require "websocket"
            local client = assert(websocket.connect(arg[1], {
              headers = {["Authorization"] = "Bearer token"}}))
            for _, text in ipairs {"Grüße", ("x"):rep(600000)} do
              assert(client:send(text, websocket.BINARY))
              assert(client:channel():receive().data == text)
            end
            assert(client:ping())
            client:close()
            print "done"
        """, base + "/feed", options=["--ca", self.ca],
            policy=policy_for(base + "/feed"), out=["done"])
        path, headers = server.requests[0]
        self.assertEqual(path, "/feed")
        self.assertEqual(headers["Authorization"], "Bearer token")

    def test_404(self):
        base = self.before(self.enter(NobodyListens()))
        outcome = self.check(REPORT, base + "/nothing",
                             options=["--ca", self.ca],
                             policy=policy_for(base + "/*"))
        self.assertEqual(outcome.lines[0],
                         "Internal\ttrue\thandshake\t404")

    def test_upstream_gone(self):
        base = self.before(self.enter(NobodyListens()))
        outcome = self.check(REPORT, base + "/feed",
                             options=["--ca", self.ca],
                             policy=policy_for(base + "/*"))
        self.assertEqual(outcome.lines[0],
                         "Internal\ttrue\thandshake\t502")


if __name__ == "__main__":
    main()
