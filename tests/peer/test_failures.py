"""Servers that answer wrongly, badly, slowly or not at all."""

import threading
import time
import unittest

from peer import (LIMIT_S, NobodyListens, PeerTest, RawServer, accept_key,
                  frame, main, policy_for, read_frame, read_head, switching, wait_until)

REPORT = """
local websocket = require "websocket"
local client, err = websocket.connect(arg[1], {dial_timeout = arg[2] or "4m"})
if client then
  print "connected"
  client:close()
  return
end
local d = err:details() or {}
print(err:kind(), err:retryable(), d.stage, d.status)
print(d.url, type(d.reason), err:message())
"""


class Handshakes(PeerTest):
    def serve(self, answer, read=True, linger=0.0):
        """A server that reads the request and sends |answer|, a text or a
        function of the request's fields."""
        def handler(peer):
            fields = read_head(peer)[1] if read else {}
            data = answer(fields) if callable(answer) else answer
            peer.sendall(data if isinstance(data, bytes) else data.encode())
            time.sleep(linger)
        return self.enter(RawServer(handler))

    def fails(self, server, stage="handshake", status="nil", says=None,
              timeout=None):
        url = server.url + "/ws"
        outcome = self.check(REPORT, url, *([timeout] if timeout else []),
                             policy=policy_for(url))
        self.assertEqual(outcome.lines[0],
                         "Internal\ttrue\t%s\t%s" % (stage, status), outcome)
        self.assertTrue(outcome.lines[1].startswith(url + "\tstring\t"),
                        outcome)
        if says:
            self.assertIn(says, outcome.lines[1])
        return outcome

    def test_404(self):
        server = self.serve("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n"
                            "\r\nnope")
        self.fails(server, status="404", says="404")

    def test_other_statuses(self):
        for status in (200, 204, 401, 403, 426, 500, 503, 102):
            server = self.serve("HTTP/1.1 %d Whatever\r\n\r\n" % status)
            self.fails(server, status=str(status))

    def test_redirects_are_not_followed(self):
        other = self.serve("")
        for status in (301, 302, 307, 308):
            server = self.serve("HTTP/1.1 %d Moved\r\nLocation: %s/ws\r\n\r\n"
                                % (status, other.url))
            self.fails(server, status=str(status))
        self.assertEqual(other.accepted, 0)

    def test_garbage(self):
        for text in ("garbage\r\n\r\n", "\0\1\2\3\xff\r\n\r\n", "\r\n\r\n",
                     "HTTP/1.1\r\n\r\n", "HTTP/2.0 101 Yes\r\n\r\n",
                     "HTTP/1.1 10l Yes\r\n\r\n", "HTTP/1.1 1010 Yes\r\n\r\n",
                     "HTTP/1.1 101 Yes\r\n bad: folded\r\n\r\n",
                     "HTTP/1.1 101 Yes\r\nno colon\r\n\r\n",
                     "HTTP/1.1 101 Yes\r\nna me: x\r\n\r\n",
                     "SSH-2.0-OpenSSH_9.2\r\n"):
            self.fails(self.serve(text))

    def test_nothing(self):
        server = self.serve("", linger=LIMIT_S)
        self.fails(server, stage="timeout", timeout="500ms")

    def test_nothing_at_all_not_even_a_read(self):
        server = self.serve("", read=False, linger=LIMIT_S)
        self.fails(server, stage="timeout", timeout="500ms")

    def test_closes_at_once(self):
        self.fails(self.serve(""))

    def test_closes_in_the_middle(self):
        self.fails(self.serve("HTTP/1.1 101 Switching Proto"))
        self.fails(self.serve(lambda f: switching(f)[:-2]))

    def test_endless_header(self):
        def flood(peer):
            read_head(peer)
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
            while True:
                peer.sendall(b"X: " + b"y" * 1000 + b"\r\n")
        self.fails(self.enter(RawServer(flood)))

    def test_long_header_block(self):
        self.fails(self.serve(
            lambda f: switching(f, "X-Long: %s\r\n" % ("x" * 17000))))

    def test_many_header_lines(self):
        self.fails(self.serve(
            lambda f: switching(f, "X: y\r\n" * 101)))

    def test_wrong_answers(self):
        def answer(upgrade="websocket", connection="Upgrade", extra="",
                   key=accept_key):
            def make(fields):
                return ("HTTP/1.1 101 Switching Protocols\r\n"
                        "Upgrade: %s\r\nConnection: %s\r\n"
                        "Sec-WebSocket-Accept: %s\r\n%s\r\n"
                        % (upgrade, connection,
                           key(fields["sec-websocket-key"]), extra))
            return make
        for wrong in (
                answer(upgrade="h2c"), answer(connection="close"),
                answer(key=lambda k: accept_key(k + "x")),
                answer(key=lambda k: accept_key(k).lower()),
                answer(key=lambda k: ""),
                answer(extra="Sec-WebSocket-Accept: x\r\n"),
                answer(extra="Sec-WebSocket-Protocol: chat\r\n"),
                answer(extra="Sec-WebSocket-Extensions: "
                       "permessage-deflate\r\n"),
                answer(extra="Sec-WebSocket-Extensions: x-made-up\r\n"),
                lambda f: "HTTP/1.1 101 Switching Protocols\r\n\r\n"):
            self.fails(self.serve(wrong))

    def test_odd_but_right_answers(self):
        for right in (
                lambda f: switching(f).replace(b"websocket", b"WebSocket"),
                lambda f: switching(f).replace(b"Connection: Upgrade",
                                               b"cOnnection: x, uPgrade"),
                lambda f: switching(f, "X-Other: y\r\n" * 20),
                lambda f: switching(f).replace(b" Switching Protocols",
                                               b" ")):
            server = self.serve(right, linger=0.2)
            self.check(REPORT, server.url + "/ws", out=["connected"],
                       policy=policy_for(server.url + "/ws"))

    def test_one_byte_at_a_time(self):
        def slowly(peer):
            data = switching(read_head(peer)[1]) + frame(1, b"hello")
            for i in range(len(data)):
                peer.sendall(data[i:i + 1])
                time.sleep(0.001)
            read_frame(peer)
        server = self.enter(RawServer(slowly))
        self.check("""
            local client = assert(require "websocket".connect(arg[1]))
            print(client:channel():receive().data)
            client:close()
        """, server.url + "/ws", out=["hello"],
            policy=policy_for(server.url + "/ws"))

    def test_frames_behind_the_101(self):
        def together(peer):
            peer.sendall(switching(read_head(peer)[1]) + frame(1, b"one") +
                         frame(2, b"two") + frame(8, b"\x03\xe8bye"))
            read_frame(peer)
        server = self.enter(RawServer(together))
        self.check("""
            local client = assert(require "websocket".connect(arg[1]))
            local ch = client:channel()
            print(ch:receive().data, ch:receive().data)
            print(ch:receive())
            local info = client:close_info()
            print(info.code, info.reason, info.clean)
        """, server.url + "/ws", out=["one\ttwo", "nil\tfalse",
                                      "1000\tbye\ttrue"],
            policy=policy_for(server.url + "/ws"))

    def test_connection_refused(self):
        self.fails(self.enter(NobodyListens()), stage="connect")

    def test_unknown_host(self):
        class Unknown:
            url = "ws://no-such-host.invalid"
        # a machine without name servers may only see a timeout
        outcome = self.check(REPORT, Unknown.url + "/ws", "3s",
                             policy=policy_for(Unknown.url + "/ws"))
        self.assertRegex(outcome.lines[0],
                         "^Internal\ttrue\t(resolve|timeout)\tnil$")

    def test_errors_are_words(self):
        server = self.serve("HTTP/1.1 404 \x1b[31mred\x1b[0m\r\n\r\n")
        outcome = self.check("""
            local c, err = require "websocket".connect(arg[1])
            error(err)
        """, server.url + "/ws", status=1,
            policy=policy_for(server.url + "/ws"))
        self.assertNotIn("\x1b", outcome.err)


class Frames(PeerTest):
    """What a client must not accept, by the close code it answers with."""

    def closes(self, data, code, before=(), options="{}", then=b""):
        seen = []

        def handler(peer):
            peer.sendall(switching(read_head(peer)[1]) + data + then)
            while True:
                opcode, payload = read_frame(peer)
                if opcode == 8:
                    seen.append(int.from_bytes(payload[:2], "big")
                                if payload else None)
                    return
        server = self.enter(RawServer(handler))
        outcome = self.check("""
            local client = assert(require "websocket".connect(
              arg[1], %s))
            for _ = 1, 100 do
              local msg, ok = client:channel():receive()
              if not ok then break end
              print(msg.data)
            end
            print(client:close_info().code, client:close_info().clean)
        """ % options, server.url + "/ws",
            policy=policy_for(server.url + "/ws"))
        self.assertEqual(outcome.lines[:-1], list(before), (data, outcome))
        self.assertEqual(outcome.lines[-1].split("\t")[0], str(code),
                         (data, outcome))
        wait_until(lambda: seen, "the close frame for %r" % data[:40])
        self.assertEqual(seen, [code], data[:40])

    def test_protocol_errors(self):
        good = frame(1, b"good")
        for bad in (
                frame(1, b"x", rsv=4), frame(1, b"x", rsv=2),
                frame(1, b"x", rsv=1), frame(3, b"x"), frame(7), frame(11),
                frame(15), frame(1, b"x", masked=True),
                frame(9, b"x" * 126), frame(9, b"x", fin=False),
                frame(8, b"x" * 126), frame(10, b"", fin=False),
                frame(0, b"x"), frame(0, b"x", fin=False),
                frame(1, b"x", fin=False) + frame(1, b"y"),
                frame(2, b"x", fin=False) + frame(2, b"y"),
                frame(8, b"\x03"),  # half a code
                # lengths that are not in their shortest form
                b"\x81\x7e\x00\x05hello",
                b"\x81\x7f\0\0\0\0\0\0\0\x05hello",
                b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"):
            self.closes(good + bad, 1002, ["good"])

    def test_close_codes_that_may_not_be_sent(self):
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
            self.closes(frame(8, code.to_bytes(2, "big")), 1002)

    def test_invalid_utf8(self):
        for text in (b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80",
                     b"\xf4\x90\x80\x80", b"ok\xe2\x82"):
            self.closes(frame(1, b"good") + frame(1, text), 1007, ["good"])
        # at the first bad byte, before the message is whole
        self.closes(frame(1, b"\xce\xba\xff", fin=False), 1007)
        self.closes(frame(1, b"\xce", fin=False) + frame(0, b"\xce"), 1007)
        self.closes(frame(8, b"\x03\xe8\xff"), 1007)

    def test_too_big(self):
        self.closes(frame(2, b"x", length=1 << 40), 1009)
        self.closes(frame(2, b"x" * 600, fin=False) + frame(0, b"x" * 600),
                    1009, options="{read_limit = 1000}")

    def test_utf8_across_frames(self):
        euro = "€".encode()
        self.closes(frame(1, euro[:1], fin=False) +
                    frame(9, b"in between") +
                    frame(0, euro[1:2], fin=False) + frame(0, euro[2:]) +
                    frame(8, b"\x0f\xa0"), 4000, ["€"])

    def test_empty_close(self):
        seen = []

        def handler(peer):
            peer.sendall(switching(read_head(peer)[1]) + frame(8))
            seen.append(read_frame(peer))
        server = self.enter(RawServer(handler))
        self.check("""
            local client = assert(require "websocket".connect(arg[1]))
            print(client:channel():receive())
            print(client:close_info().code)
        """, server.url + "/ws", out=["nil\tfalse", "1005"],
            policy=policy_for(server.url + "/ws"))
        wait_until(lambda: seen, "the answer")
        self.assertEqual(seen[0][0], 8)

    def test_unasked_pongs_and_pings(self):
        self.closes(frame(10, b"unasked") * 50 + frame(9) * 50 +
                    frame(1, b"still here") + frame(8, b"\x03\xe8"), 1000,
                    ["still here"])

    def test_write_timeout(self):
        def deaf(peer):
            peer.sendall(switching(read_head(peer)[1]))
            time.sleep(LIMIT_S)
        server = self.enter(RawServer(deaf))
        self.check("""
            local client = assert(require "websocket".connect(
              arg[1], {write_timeout = "500ms"}))
            local data = ("x"):rep(1 << 20)
            for _ = 1, 100 do
              local ok, err = client:send(data)
              if not ok then
                print(err:kind(), err:retryable())
                break
              end
            end
            print(client:channel():receive())
        """, server.url + "/ws", out=["Timeout\ttrue", "nil\tfalse"],
            policy=policy_for(server.url + "/ws"))

    def test_reset_at_every_byte(self):
        # of the handshake and of a frame: the run always ends in order
        import socket
        import struct
        length = 170

        def handler(peer):
            fields = read_head(peer)[1]
            data = switching(fields) + frame(1, b"hello, world")
            cut = min(cuts.pop(0), len(data))
            peer.sendall(data[:cut])
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        cuts = list(range(0, length, 7))
        total = len(cuts)
        server = self.enter(RawServer(handler))
        outcome = self.check("""
            local websocket = require "websocket"
            local n = 0
            for _ = 1, tonumber(arg[2]) do
              local client, err = websocket.connect(arg[1])
              if client then
                while select(2, client:channel():receive()) do end
                assert(client:close_info().code == 1006)
              else
                assert(err:kind() == errors.INTERNAL)
              end
              n = n + 1
            end
            print(n)
        """, server.url + "/ws", str(total), out=[str(total)],
            policy=policy_for(server.url + "/ws"))
        self.assertEqual(outcome.err, "")


if __name__ == "__main__":
    main()
