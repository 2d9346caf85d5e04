"""Connections that end, are reset or fall silent at every place."""

import os
import re
import signal
import socket
import threading
import time
import unittest

import fault_server
from cli_worker_test import field, processes_of
from fault_server import (END, GREETING, ANSWER, GOODBYE, MESSAGES, RESET, STALL,
                          Converses, Deaf, Proxy)
from peer import (CORDON, LIMIT_S, Certificates, PeerTest, RawServer, frame,
                  main, patiently, policy_for, read_frame, read_head,
                  switching, wait_until)
from script_server import Reader

with open(CORDON, "rb") as f:
    SLOW = b"build-asan" in f.read() or "asan" in CORDON
STRIDE = 7 if SLOW else 1
TLS_STRIDE = 61 if SLOW else 11

OPTIONS = ["--max-connects-per-minute", "1000000", "--deadline",
           "%ds" % LIMIT_S]


class Sweep(PeerTest):
    def run_client(self, url, first, last, step=1, options=(), **kw):
        """{n: (what came of it)}"""
        outcome = self.check(
            fault_server.client(**kw), url, str(first), str(last), str(step),
            policy=policy_for(url + "/*"), options=[*OPTIONS, *options])
        self.assertEqual(outcome.lines[-1], "done", outcome)
        self.assertEqual(outcome.err, "")
        told = dict(line.split(" ", 1) for line in outcome.lines[:-1])
        told = {int(n): rest for n, rest in told.items()}
        self.assertEqual(sorted(told), list(range(first, last + 1, step)))
        return told


class Plain(Sweep):
    def expected(self, n):
        """What must come of |n| bytes."""
        at = len(switching({"sec-websocket-key": "x" * 24}))
        if n < at:
            return "failed Internal true handshake "
        got = []
        for data, whole in ((GREETING[0], 0), (GREETING[1], None),
                            (GREETING[2], 1), (ANSWER, 2)):
            at += len(data)
            if n >= at and whole is not None:
                got.append(MESSAGES[whole])
        if n >= at + len(GOODBYE):
            return "closed 4001 true [%s] goodbye" % ",".join(got)
        return "closed 1006 false [%s] " % ",".join(got)

    def sweep(self, how, step=1, **kw):
        server = self.enter(Converses(cut=True, how=how))
        told = self.run_client(server.url, 0, server.length() + 3, step, **kw)
        for n, line in told.items():
            want = self.expected(n)
            if how == RESET and n == server.length():
                line = line.replace("4001 false", "4001 true")  # our answer
            self.assertTrue(line.startswith(want), (how, n, line, want))
        self.assertEqual(server.errors, [])
        return told

    def test_ends_after_every_byte(self):
        told = self.sweep(END, STRIDE)
        self.assertEqual(told[0], "failed Internal true handshake the server "
                         "closed the connection without an answer")
        self.assertEqual(told[7], "failed Internal true handshake the server "
                         "closed the connection in the middle of its answer")

    def test_is_reset_after_every_byte(self):
        self.sweep(RESET, STRIDE)

    def test_falls_silent_after_every_byte(self):
        """The time-outs end it; the wait is the same for all of them."""
        server = self.enter(Converses(cut=True, how=STALL))

        def attempt(scale):
            ms = '"%dms"' % (300 * scale)
            told = self.run_client(server.url, 0, server.length() - 1,
                                   9 * STRIDE, dial=ms, read=ms)
            for n, line in told.items():
                want = self.expected(n)
                want = want.replace("failed Internal true handshake",
                                    "failed Internal true timeout")
                want = want.replace("closed 1006", "closed 1001")
                self.assertTrue(line.startswith(want), (n, line, want))
        patiently(attempt)

    def test_does_not_read_beyond_every_byte(self):
        """The server goes while the client still speaks."""
        cuts = list(range(1, 175, STRIDE))  # request, pong, message
        for how in (RESET, END):
            server = self.enter(Deaf(cuts, how))
            told = self.run_client(server.url, 1, len(cuts))
            for line in told.values():
                self.assertRegex(
                    line, r"^failed Internal true handshake |"
                    r"^closed 1006 false \[(first)?(,second and third)?\] ")
            self.assertEqual(server.errors, [])


class Tls(Sweep):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates.get()
        self.options = ["--ca", self.certificates.ca]

    def sweep(self, how, step):
        server = self.enter(Converses(tls=self.certificates.context()))
        whole = self.enter(Proxy(server))
        told = self.run_client(whole.url, 0, 2, options=self.options)
        good = "closed 4001 true [%s] goodbye" % ",".join(MESSAGES)
        self.assertEqual(set(told.values()), {good})
        budgets = list(range(0, whole.most, step))
        cut = self.enter(Proxy(server, lambda i: budgets[i], how))
        outcome = self.run_client(cut.url, 1, len(budgets),
                                  options=self.options)
        stages = {"tls": 0, "handshake": 0, "open": 0}
        for line in outcome.values():
            found = re.match(r"failed Internal true (tls|handshake) \w+", line)
            if found:
                stages[found[1]] += 1
                continue
            # the last bytes of it are TLS's own goodbye
            self.assertTrue(line == good or any(
                line == "closed 1006 false [%s] " % ",".join(MESSAGES[:i])
                for i in range(4)), line)
            stages["open"] += 1
        for stage, least in (("tls", 100), ("handshake", 20), ("open", 20)):
            self.assertGreater(stages[stage], least // step, stages)

    def test_ends_after_a_byte(self):
        self.sweep(END, TLS_STRIDE)

    def test_is_reset_after_a_byte(self):
        self.sweep(RESET, TLS_STRIDE + 2)

    def test_a_byte_at_a_time(self):
        server = self.enter(Converses(tls=self.certificates.context()))
        slow = self.enter(Proxy(server, slowly=True))
        told = self.run_client(slow.url, 0, 1, options=self.options)
        self.assertEqual(set(told.values()), {
            "closed 4001 true [%s] goodbye" % ",".join(MESSAGES)})

    def test_truncation_is_no_end(self):
        """TLS that ends without close_notify, and a connection that ends
        without a close frame but with one; after the close frame neither
        matters."""
        def serve(goodbye, notify):
            def handler(peer):
                peer.sendall(switching(read_head(peer)[1]) +
                             frame(1, b"whole") + frame(1, b"half", fin=False))
                if goodbye:
                    peer.sendall(frame(0) + frame(8, b"\3\xe8"))
                    read_frame(peer)
                if notify:
                    peer.unwrap()
                else:
                    with socket.socket(fileno=os.dup(peer.fileno())) as s:
                        s.shutdown(socket.SHUT_RDWR)
            return self.enter(RawServer(handler,
                                        self.certificates.context()))
        for goodbye, want in ((False, "closed 1006 false [whole] "),
                              (True, "closed 1000 true [whole,half] ")):
            for notify in (False, True):
                server = serve(goodbye, notify)
                told = self.run_client(server.url, 1, 1, options=self.options)
                self.assertEqual(told[1], want, (goodbye, notify))


PHASES = r"""
local websocket = require "websocket"
local time = require "time"
local tests = {%s}
local done = channel.new(0)
for i, test in ipairs(tests) do
  coroutine.spawn(function()
    local from = time.now()
    local client, err = websocket.connect(test.url, test.options)
    local line
    if client then
      if test.send then
        local data, ok, e = ("x"):rep(1 << 20)
        repeat ok, e = client:send(data, websocket.BINARY) until not ok
        line = ("send: %%s %%s;"):format(e:kind(), tostring(e:retryable()))
      end
      if test.close then assert(client:close(1000, "bye")) end
      local n = 0
      while select(2, client:channel():receive()) do n = n + 1 end
      local info = client:close_info()
      line = (line or "") .. ("%%d messages, %%d %%s %%s"):format(
        n, info.code, tostring(info.clean), info.reason)
    else
      local d = err:details()
      line = ("%%s %%s %%s %%s: %%s"):format(err:kind(),
        tostring(err:retryable()), d.stage, tostring(d.status), d.reason)
    end
    done:send(i .. " " .. line)
  end)
end
for _ = 1, #tests do print((done:receive())) end
"""


def trickle(peer, data, pause):
    for i in range(len(data)):
        peer.sendall(data[i:i + 1])
        time.sleep(pause)


class Slow(PeerTest):
    """Each phase has its time-out, however busily the peer does nothing."""

    def serve(self, handler, tls=None):
        def quietly(peer):
            try:
                handler(peer)
            except OSError:
                pass
        return self.enter(RawServer(quietly, tls)).url

    def test_every_phase(self):
        c = Certificates.get()
        full = socket.socket()
        self.addCleanup(full.close)
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):  # a queue that takes nobody any more
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(full.getsockname())
            fillers.append(s)
            self.addCleanup(s.close)
        opened = threading.Event()
        self.addCleanup(opened.set)

        pace = 1  # by which all is slowed down

        def hold(peer):
            opened.wait(LIMIT_S)

        def wss(url):
            return "wss" + url[2:]

        def upgrade(peer):
            trickle(peer, switching(read_head(peer)[1]), 0.05 * pace)

        def endless_header(peer):
            read_head(peer)
            trickle(peer, b"HTTP/1.1 101 Switching Protocols\r\n" +
                    b"X: y\r\n" * 90, 0.05 * pace)

        def after(data, then=hold, pause=0.0):
            def handler(peer):
                peer.sendall(switching(read_head(peer)[1]))
                trickle(peer, data, pause * pace)
                then(peer)
            return handler

        def pings(peer):
            peer.sendall(switching(read_head(peer)[1]))
            while not opened.wait(0.05 * pace):
                peer.sendall(frame(9, b"still here") + frame(10))

        def parts(peer):
            peer.sendall(switching(read_head(peer)[1]) +
                         frame(1, b"x", fin=False))
            while not opened.wait(0.05 * pace):
                peer.sendall(frame(0, b"x", fin=False))

        def pings_in_close(peer):
            peer.sendall(switching(read_head(peer)[1]))
            read_frame(peer)
            while not opened.wait(0.1):
                peer.sendall(frame(9) + frame(1, b"and another"))
        dial = "{dial_timeout = 700 * PACE}"
        read = "{read_timeout = 500 * PACE}"
        write = "{write_timeout = 500 * PACE}"
        timeout = "Internal true timeout nil: timed out "
        tests = [
            ("ws://127.0.0.1:%d" % full.getsockname()[1], dial, "",
             timeout + "while connecting"),
            (wss(self.serve(hold)), dial, "", timeout +
             "in the TLS handshake"),
            (wss(self.serve(lambda peer: trickle(
                peer, b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" +
                b"\0" * 200, 0.05 * pace))), dial, "",
             timeout + "in the TLS handshake"),
            (self.serve(hold), dial, "", timeout +
             "waiting for the server's answer"),
            (self.serve(upgrade), dial, "", timeout +
             "waiting for the server's answer"),
            (self.serve(endless_header), dial, "", timeout +
             "waiting for the server's answer"),
            (self.serve(hold, c.context()), dial, "", timeout +
             "waiting for the server's answer"),
            (self.serve(after(frame(1, b"one"))), read, "",
             "1 messages, 1001 false no message within the read timeout"),
            (self.serve(after(frame(1, b"x" * 200), pause=0.02)), read, "",
             "0 messages, 1001 false no message within the read timeout"),
            (self.serve(pings), read, "",
             "0 messages, 1001 false no message within the read timeout"),
            (self.serve(parts), read, "",
             "0 messages, 1001 false no message within the read timeout"),
            (self.serve(after(b"")), write, "send = true",
             "send: Timeout true;0 messages, 1006 false "),
            (self.serve(after(b""), c.context()), write, "send = true",
             "send: Timeout true;0 messages, 1006 false "),
            # five seconds for the closing handshake
            (self.serve(after(b"")), "{}", "close = true",
             "0 messages, 1006 false "),
            (self.serve(pings_in_close), "{channel_capacity = 1}",
             "close = true", r"\d+ messages, 1006 false "),
        ]
        script = PHASES % ", ".join(
            "{url = %r, options = %s, %s}" % (url + "/x", options, what)
            for url, options, what, _ in tests)

        def attempt(scale):
            nonlocal pace
            pace = scale
            outcome = self.check(
                script.replace("PACE", str(scale)), policy=policy_for(
                    *sorted({url + "/x" for url, _, _, _ in tests})),
                options=[*OPTIONS, "--ca", c.ca])
            told = dict(line.split(" ", 1) for line in outcome.lines)
            for i, (_, options, what, want) in enumerate(tests, 1):
                self.assertRegex(told[str(i)], "^%s$" % want,
                                 (i, options, what, outcome))
        patiently(attempt)


class Stopped(PeerTest):
    """What came in time is delivered, however late it is looked at."""

    SCRIPT = """
        local client = assert(require "websocket".connect(arg[1],
          {read_timeout = %d}))
        local ch = client:channel()
        print((ch:receive() or {}).data)
        print((ch:receive() or {}).data)
    """

    def stop(self, pids, patience_ms):
        """Whether the test itself was in time."""
        say, said = threading.Event(), threading.Event()
        self.addCleanup(say.set)

        def handler(peer):
            peer.sendall(switching(read_head(peer)[1]) + frame(1, b"one"))
            say.wait(LIMIT_S)
            peer.sendall(frame(1, b"two"))
            said.set()
            peer.recv(1)
        server = self.enter(RawServer(handler))
        begin = time.monotonic()
        p = self.start(self.SCRIPT % patience_ms, server.url + "/x",
                       policy=policy_for(server.url + "/x"))
        p.stdout.readline()
        stopped = pids(p)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        say.set()
        self.assertTrue(said.wait(LIMIT_S))
        in_time = time.monotonic() - begin < 0.9 * patience_ms / 1000
        if in_time:
            time.sleep(patience_ms / 1000)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        lines = self.finish(p).lines
        if in_time:
            self.assertEqual(lines, ["two"])
        return in_time

    def test_before_its_time_out(self):
        def host(p):
            return [p.pid]

        def worker(p):
            pids = processes_of(p.pid)
            return [pid for pid in pids if int(field(pid, "PPid")) in pids]

        def both(p):
            return host(p) + worker(p)

        for pids in (host, worker, both):
            with self.subTest(pids.__name__):
                self.assertTrue(any(self.stop(pids, ms)
                                    for ms in (400, 4000, 40000)))


class Flood(PeerTest):
    SCRIPT = """
        local websocket = require "websocket"
        local time = require "time"
        local client = assert(websocket.connect(arg[1], {
          channel_capacity = 4, control_messages = arg[3] == "control",
          compression = arg[4] and "context_takeover" or "disabled"}))
        local ch, n = client:channel(), 0
        for i = 1, tonumber(arg[2]) do
          local msg, ok = ch:receive()
          if not ok then break end
          n = n + 1
          if i % 16 == 0 then time.sleep "10ms" end
        end
        assert(client:send "enough")
        -- until the server has counted, nothing more is let through
        assert(websocket.connect((arg[1]:gsub("/x$", "/counted"))))
        print(n)
    """

    def flood(self, data, count, *args, extension="", memory="3MiB"):
        sent = [0]
        at_end = []

        def listen(peer):
            reader = Reader(peer)
            while reader.next()[0] != 1:
                pass
            at_end.append(sent[0])
            peer.close()

        def handler(peer):
            line, fields = read_head(peer)
            if "/counted" in line:
                wait_until(lambda: at_end, "the client's word")
                peer.sendall(switching(fields))
                peer.recv(100)
                return
            peer.sendall(switching(fields, extension))
            threading.Thread(target=listen, args=(peer.dup(),), daemon=True).start()
            # what the kernel does not take waits in one call: this counts
            # what the client has let through
            while True:
                peer.sendall(data)
                sent[0] += len(data)
        server = self.enter(RawServer(handler))
        self.check(self.SCRIPT, server.url + "/x", str(count), *args,
                   out=[str(count)], policy=policy_for(server.url + "/*"),
                   options=["--memory", memory])
        return at_end[0]

    def test_of_messages(self):
        # what sockets may keep (twice: of the broker, and of the worker), and
        # not what a script without bounds would hold
        room = 0
        for name in ("tcp_rmem", "tcp_wmem"):
            with open("/proc/sys/net/ipv4/" + name) as f:
                room += int(f.read().split()[2])
        count, size = 200, 20000
        sent = self.flood(frame(2, b"x" * size), count)
        self.assertLess(sent, count * size + max(2 * room, 32 << 20))

    def test_of_fragments(self):
        self.flood(frame(1, b"x", fin=False) +
                   frame(0, b"y", fin=False) * 500 + frame(0), 100)

    def test_of_pings(self):
        self.flood(frame(9, b"x" * 125) * 50 + frame(1, b"x"), 30)

    def test_of_pings_that_are_told(self):
        self.flood(frame(9, b"x" * 125), 500, "control")

    def test_of_bombs(self):
        import zlib
        z = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = z.compress(b"\0" * (200 << 10)) + z.flush(zlib.Z_FULL_FLUSH)
        data = data[:-4]
        self.flood(frame(2, data, rsv=4) * 20, 100, "no", "packed",
                   extension="Sec-WebSocket-Extensions: "
                   "permessage-deflate\r\n", memory="6MiB")

    def test_a_slow_reader_stops_the_sender(self):
        """All of it arrives, in order, and the script holds one message."""
        got = []

        def handler(peer):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            peer.sendall(switching(read_head(peer)[1]))
            reader = Reader(peer)
            while True:
                opcode, payload = reader.next()
                got.append((opcode, len(payload), payload[:1]))
                time.sleep(0.02)
                if opcode == 8:
                    peer.sendall(frame(8, b"\3\xe8"))
                    return
        server = self.enter(RawServer(handler))
        self.check("""
            local websocket = require "websocket"
            local client = assert(websocket.connect(arg[1]))
            for i = 1, 30 do
              assert(client:send(string.char(64 + i):rep(200000),
                                 websocket.BINARY))
            end
            assert(client:close())
            while select(2, client:channel():receive()) do end
            print(client:close_info().code, client:close_info().clean)
        """, server.url + "/x", policy=policy_for(server.url + "/x"),
            options=["--memory", "3MiB"], out=["1000\ttrue"])
        self.assertEqual(got[:-1], [(2, 200000, bytes([64 + i]))
                                    for i in range(1, 31)])


class Answers(PeerTest):
    """Statuses with bodies, and headers that are none."""

    REPORT = """
        local websocket = require "websocket"
        for i = 1, tonumber(arg[2]) do
          local client, err = websocket.connect(
            ("%s/%d"):format(arg[1], i), {dial_timeout = "2m"})
          assert(not client)
          local d = err:details()
          print(i, err:kind(), err:retryable(), d.stage, d.status, d.reason)
          assert(d.url == ("%s/%d"):format(arg[1], i))
        end
    """

    def answers(self, cases):
        def handler(peer):
            line, fields = read_head(peer)
            answer = cases[fault_server.asked(line) - 1][0]
            if callable(answer):
                answer = answer(fields)
            peer.sendall(answer)
            try:
                while peer.recv(4096):
                    pass
            except OSError:
                pass
        server = self.enter(RawServer(handler))
        outcome = self.check(self.REPORT, server.url, str(len(cases)),
                             policy=policy_for(server.url + "/*"))
        for i, (answer, status, says) in enumerate(cases, 1):
            words = outcome.lines[i - 1].split("\t")
            self.assertEqual(words[:5], [str(i), "Internal", "true",
                                         "handshake", status],
                             (answer, words))
            self.assertIn(says, words[5], answer)
        self.assertEqual(server.errors, [])

    def test_statuses(self):
        cases = []
        for status in (100, 102, 103, 200, 204, 206, 301, 302, 303, 304, 307,
                       308, 400, 401, 403, 404, 407, 426, 429, 451, 500, 502,
                       503, 599, 999):
            for body in (b"", b"Content-Length: 5\r\n\r\nsorry",
                         b"Transfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\n0"
                         b"\r\n\r\n",
                         b"Location: ws://127.0.0.1:1/\r\nRetry-After: 1\r\n"
                         b"WWW-Authenticate: Basic\r\n\r\n" + b"x" * 200000):
                cases.append((b"HTTP/1.1 %d Words\r\n" % status +
                              (body or b"\r\n"), str(status),
                              "status %d" % status))
        self.answers(cases)

    def test_heads(self):
        def good(change):
            return lambda fields: change(switching(fields))

        def without(name):
            return good(lambda h: re.sub(
                name + b": [^\r]*\r\n", b"", h))

        def extra(line):
            return good(lambda h: h[:-2] + line + b"\r\n\r\n")

        def replace(a, b):
            return good(lambda h: h.replace(a, b))
        self.answers([
            (without(b"Upgrade"), "nil", "lacks the Upgrade"),
            (without(b"Connection"), "nil", "lacks the Connection"),
            (without(b"Sec-WebSocket-Accept"), "nil",
             "lacks the Sec-WebSocket-Accept"),
            (extra(b"Upgrade: websocket"), "nil", "two Upgrade"),
            (extra(b"Sec-WebSocket-Protocol: a"), "nil",
             "subprotocol that was not offered"),
            (extra(b"Sec-WebSocket-Protocol: a\r\n"
                   b"Sec-WebSocket-Protocol: a"), "nil", "subprotocol"),
            (extra(b"Sec-WebSocket-Extensions: permessage-deflate"), "nil",
             "extension that was not offered"),
            (extra(b"Sec-WebSocket-Extensions: a, b"), "nil", "extension"),
            (extra(b"Sec-WebSocket-Extensions: "), "nil", "extension"),
            (extra(b"Sec-WebSocket-Protocol: "), "nil", "subprotocol"),
            (extra(b" folded: line"), "nil", "header name"),
            (extra(b"\tfolded"), "nil", "header line"),
            (extra(b"no colon"), "nil", "without a colon"),
            (extra(b": no name"), "nil", "header name"),
            (extra(b"a b: c"), "nil", "header name"),
            (extra(b"a : c"), "nil", "header name"),
            (extra(b"X: a\0b"), "nil", "control character"),
            (extra(b"X\0: a"), "nil", "control character"),
            (extra(b"X: a\x7f"), "nil", "control character"),
            (extra(b"X: a\rb"), "nil", "bare CR"),
            (extra(b"X: a\nY: b"), "nil", "bare LF"),
            (replace(b"\r\n", b"\n"), "nil", "bare LF"),
            (extra(b"Transfer-Encoding: chunked"), "nil",
             "Transfer-Encoding"),
            (extra(b"Content-Length: 5"), "nil", "Content-Length"),
            (extra(b"X: " + b"y" * 16384), "nil", "16 KiB"),
            (extra(b"X: y\r\n" * 100 + b"Z: z"), "nil",
             "too many header lines"),
            (replace(b"HTTP/1.1", b"HTTP/1.0"), "nil", "HTTP/1.0"),
            (replace(b"HTTP/1.1", b"HTTP/2"), "nil", "not HTTP/1.1"),
            (replace(b"HTTP/1.1", b"http/1.1"), "nil", "not HTTP/1.1"),
            (replace(b" 101 ", b" 101"), "nil", "not HTTP/1.1"),
            (replace(b" 101 ", b"  101 "), "nil", "not HTTP/1.1"),
            (replace(b" 101 ", b" 0101 "), "nil", "not HTTP/1.1"),
            (replace(b" 101 ", b" -101 "), "nil", "not HTTP/1.1"),
            (lambda fields: b"\r\n" + switching(fields), "nil",
             "not HTTP/1.1"),
            (replace(b": websocket", b": h2c, websocket"), "nil",
             "does not upgrade to websocket"),
            (replace(b"Connection: Upgrade", b"Connection: keep-alive"),
             "nil", "Connection header without Upgrade"),
            (replace(b"Accept: ", b"Accept: ="), "nil",
             "wrong Sec-WebSocket-Accept"),
            (good(lambda h: re.sub(b"Accept: [^\r]*", b"Accept: " +
                                   b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", h)),
             "nil", "wrong Sec-WebSocket-Accept"),
        ])


if __name__ == "__main__":
    main()
