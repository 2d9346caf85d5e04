"""The sentences of the manual on `websocket`, one by one, where no other test
says them: options, who may call what, what comes back."""

import threading
import time
import unittest

from fault_server import asked
from peer import (LIMIT_S, PeerTest, RawServer, WebSocketServer, descriptors,
                  frame, main, patiently, policy_for, read_frame, read_head,
                  switching, wait_until)
from script_server import Reader

HEAD = """
local websocket, time = require "websocket", require "time"
local base = arg[1]
"""


class Api(PeerTest):
    def talk(self, script, server, *args, out=None, **kw):
        """The lines that the script has printed."""
        return self.check(HEAD + script, server.url, *args, out=out,
                          policy=policy_for(server.url + "/**"), **kw).lines

    def echo(self, **kw):
        return self.enter(WebSocketServer(**kw))

    def after(self, then, *data):
        """A server that upgrades, says |data| and goes on with |then|."""
        def handler(peer):
            head = read_head(peer)
            peer.sendall(switching(head[1]) + b"".join(data))
            then(peer, head)
        return self.enter(RawServer(handler))

    def test_constants(self):
        lines = self.talk("""
            local c = websocket.CLOSE_CODES
            print(c.NORMAL, c.GOING_AWAY, c.PROTOCOL_ERROR, c.UNSUPPORTED_DATA,
                  c.RESERVED, c.NO_STATUS, c.ABNORMAL_CLOSURE,
                  c.INVALID_PAYLOAD, c.POLICY_VIOLATION, c.MESSAGE_TOO_BIG,
                  c.MANDATORY_EXTENSION, c.INTERNAL_ERROR, c.SERVICE_RESTART,
                  c.TRY_AGAIN_LATER, c.BAD_GATEWAY, c.TLS_HANDSHAKE)
            c = websocket.COMPRESSION
            print(c.DISABLED, c.CONTEXT_TAKEOVER, c.NO_CONTEXT)
            print(websocket.TEXT, websocket.BINARY, websocket.TYPE_TEXT,
                  websocket.TYPE_BINARY, websocket.TYPE_PING,
                  websocket.TYPE_PONG, websocket.TYPE_CLOSE)
            print(pcall(function() websocket.TEXT = 3 end))
            print(pcall(function() websocket.CLOSE_CODES.NORMAL = 3 end))
        """, self.echo())
        self.assertEqual(lines[0].split(), [
            "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1007",
            "1008", "1009", "1010", "1011", "1012", "1013", "1014", "1015"])
        self.assertEqual(lines[1:3], ["0\t1\t2", "1\t2\ttext\tbinary\tping\t"
                                      "pong\tclose"])
        for line in lines[3:]:
            self.assertTrue(line.startswith("false\t"), line)

    def test_options(self):
        """Each of a wrong type or out of its range: nil, INVALID, not
        retryable, naming the option, what it got and what it takes."""
        server = self.echo()
        bad = {
            "dial_timeout": ["true", "{}", "'soon'", "-1", "0", "'0s'", "0/0",
                             "math.huge", "'-5s'", "'5'", "'1e400s'", "1e300"],
            "read_timeout": ["false", "'x'", "-0.5", "-1", "math.huge", "''"],
            "write_timeout": ["false", "'x'", "-0.5", "-1", "0/0"],
            "read_limit": ["'1'", "-1", "1.5", "128 * 2^20 + 1", "2^63",
                           "0/0", "{}"],
            "compression_threshold": ["'1'", "-1", "0.5", "100 * 2^20 + 1"],
            "channel_capacity": ["0", "-1", "10001", "1.5", "'16'", "2^53"],
            "compression": ["3", "-1", "1.5", "'on'", "true", "{}",
                            "'DISABLED'"],
            "control_messages": ["1", "'true'", "{}"],
            "headers": ["1", "true", "'a: b'", "{1}", "{a = 1}", "{a = {}}",
                        "{a = true}"],
            "protocols": ["1", "'chat'", "{1}", "{a = 'b'}",
                          "{'a', [3] = 'c'}", "{[0] = 'a'}", "{'a', b = 1}", "{'a', 'a'}",
                          "{{}}", "{'a b'}"],
        }
        cases = [(name, v) for name, values in bad.items() for v in values]
        cases += [("nonsense", "1"), ("Headers", "{}"), ("timeout", "'1s'"),
                  ("read_limit ", "1")]
        lines = self.talk("""
            local cases = {%s}
            for i, case in ipairs(cases) do
              local client, err = websocket.connect(base .. "/x",
                                                    {[case[1]] = case[2]})
              print(i, client, err:kind(), err:retryable(),
                    err:message():find(case[1], 1, true) ~= nil,
                    err:message():find("expected", 1, true) ~= nil)
            end
            for _, key in ipairs {1, 1.5, true} do
              local client, err = websocket.connect(base .. "/x", {[key] = 1})
              print(0, client, err:kind(), err:retryable(), true, true)
            end
        """ % ", ".join("{%r, %s}" % c for c in cases), server)
        for i, line in enumerate(lines):
            words = line.split("\t")
            case = cases[i] if i < len(cases) else "a key that is no string"
            self.assertEqual(words[1:5], ["nil", "Invalid", "false", "true"],
                             (case, line))
        self.assertEqual(len(lines), len(cases) + 3)
        self.assertEqual(server.requests, [])

    def test_good_options(self):
        server = self.echo()
        good = ["dial_timeout = 20000", "dial_timeout = '20s'",
                "dial_timeout = 20000.5", "dial_timeout = '1m30s'",
                "read_timeout = 0", "read_timeout = '0s'",
                "read_timeout = 1e12", "write_timeout = 0",
                "write_timeout = '100ms'", "read_limit = 128 * 1024 * 1024",
                "read_limit = 2.0", "compression_threshold = 0",
                "compression_threshold = 100 * 1024 * 1024",
                "channel_capacity = 1", "channel_capacity = 10000",
                "compression = 0", "compression = 1", "compression = 2",
                "compression = 'disabled'", "compression = 'context_takeover'",
                "compression = 'no_context_takeover'",
                "control_messages = true", "control_messages = false",
                "headers = {}", "headers = {['X-A'] = ''}", "protocols = {}"]
        self.talk("""
            for i, options in ipairs {%s} do
              local client, err = websocket.connect(base .. "/x", options)
              if not client then print(i, err) break end
              assert(client:send "a", i)
              assert(client:channel():receive().data == "a")
              assert(client:close())
            end
            assert(websocket.connect(base .. "/x", nil)):close()
            print "done"
        """ % ", ".join("{%s}" % g for g in good), server, out=["done"])

    def test_options_are_read_raw(self):
        server = self.echo()
        self.talk("""
            local function never() error "read through a metatable" end
            local mt = {__index = never, __pairs = never, __len = never}
            local client = assert(websocket.connect(base .. "/x",
              setmetatable({headers = setmetatable({["X-A"] = "b"}, mt),
                            protocols = setmetatable({}, mt)}, mt)))
            client:close()
            print "done"
        """, server, out=["done"])
        wait_until(lambda: server.requests, "the request")
        self.assertEqual(server.requests[0][1]["X-A"], "b")

    def test_wrong_arguments(self):
        """Wrong types of arguments raise; what is no client is INTERNAL."""
        self.talk("""
            for _, call in ipairs {
              function() websocket.connect() end,
              function() websocket.connect({}) end,
              function() websocket.connect(base .. "/x", 5) end,
              function() websocket.connect(base .. "/x", "options") end} do
              assert(not pcall(call))
            end
            local client = assert(websocket.connect(base .. "/x"))
            for _, call in ipairs {
              function() client:send() end, function() client:send({}) end,
              function() client:send("a", "text") end,
              function() client:ping({}) end,
              function() client:close("x") end,
              function() client:close(1000, {}) end,
              function() client:close(1000.5) end} do
              assert(not pcall(call))
            end
            local methods = {"send", "ping", "close", "channel", "receive",
                             "close_info", "subprotocol"}
            for _, name in ipairs(methods) do
              for _, other in ipairs {1, "x", {}, channel.new(1), print} do
                local v, err = client[name](other, "x")
                assert(not v and err:kind() == errors.INTERNAL and
                       err:retryable() == false, name)
              end
            end
            assert(getmetatable(client) ~= nil and
                   type(getmetatable(client)) ~= "table")
            assert(client:send "still open")
            client:close()
            print "done"
        """, self.echo(), out=["done"])

    def test_urls(self):
        """A URL that does not parse: INVALID, after the first question."""
        server = self.echo()
        urls = ["", "x", "http://a/", "ws://", "ws:///x", "ws://a:0x50/",
                "ws://a:65536/", "ws://u@a/", "ws://a/#f", "ws://a b/",
                "ws://[::1/", "ws://1.2.3/", "//a/"]
        self.talk("""
            for _, url in ipairs {%s} do
              local client, err = websocket.connect(url)
              assert(client == nil and err:kind() == errors.INVALID and
                     err:retryable() == false, url)
            end
            print "done"
        """ % ", ".join("%r" % u for u in urls), server, out=["done"])

    def test_no_context(self):
        lines = self.talk("""
            local kinds = {}
            local function try()
              local client, err = websocket.connect(base .. "/x")
              kinds[#kinds + 1] = err:kind()
              assert(client == nil and err:retryable() == false)
            end
            table.sort({1, 2}, function(a, b) try() return a < b end)
            print(kinds[1])
            local client = assert(websocket.connect(base .. "/x"))
            print(pcall(table.sort, {1, 2}, function() client:send "x" end))
            client:close()
        """, self.echo())
        self.assertEqual(lines[0], "Internal")
        self.assertRegex(lines[1], "^false\t.*(wait|yield|suspend)")

    def test_the_same_channel(self):
        self.talk("""
            local client = assert(websocket.connect(base .. "/x",
              {channel_capacity = 3}))
            assert(client:channel() == client:receive() and
                   client:channel() == client:channel())
            assert(client:channel():capacity() == 3)
            assert(client:close_info() == nil and client:subprotocol() == nil)
            client:close()
            print "done"
        """, self.echo(), out=["done"])

    def test_closed_clients(self):
        """Methods on a client that is closed; closing twice is true."""
        self.talk("""
            local client = assert(websocket.connect(base .. "/x"))
            assert(client:close(websocket.CLOSE_CODES.NORMAL, "Done"))
            for _ = 1, 2 do
              for _, name in ipairs {"send", "ping"} do
                local ok, err = client[name](client, "x")
                assert(ok == false and err:kind() == errors.INTERNAL and
                       err:retryable() == false)
              end
              assert(client:close() == true)
              assert(client:close(4000, "again") == true)
              while select(2, client:channel():receive()) do end
            end
            local info = client:close_info()
            print(info.code, info.reason, info.clean)
        """, self.echo(), out=["1000\tDone\ttrue"])

    def test_close_codes(self):
        def note(peer, head):
            opcode, payload = read_frame(peer)
            seen[asked(head[0])] = payload
            peer.sendall(frame(8, payload[:2]))
        seen = {}
        server = self.after(note)
        lines = self.talk("""
            local good = {}
            for code = -1, 5001 do
              local fits = code >= 1000 and code <= 1003 or
                code >= 1007 and code <= 1014 or code >= 3000 and code <= 4999
              if fits and (code < 1015 or code % 499 == 0) then
                good[#good + 1] = code
              end
            end
            local client = assert(websocket.connect(base .. "/0"))
            for _, code in ipairs {-1, 0, 999, 1004, 1005, 1006, 1015, 1016,
                                   2999, 5000, 65536, 66536, math.maxinteger,
                                   math.mininteger} do
              local ok, err = client:close(code)
              assert(ok == false and err:kind() == errors.INVALID, code)
            end
            for _, reason in ipairs {("x"):rep(124), "\\xff", ("é"):rep(62),
                                     "\\xed\\xa0\\x80"} do
              local ok, err = client:close(1000, reason)
              assert(ok == false and err:kind() == errors.INVALID)
            end
            assert(client:ping())  -- open all the same
            for _, code in ipairs(good) do
              local c = assert(websocket.connect(base .. "/" .. code))
              assert(c:close(code, "é" .. ("x"):rep(121)))
              while select(2, c:channel():receive()) do end
              assert(c:close_info().clean and c:close_info().code == code)
            end
            print(table.concat(good, " "))
        """, server)
        codes = list(map(int, lines[0].split()))
        self.assertGreater(len(codes), 12)
        wait_until(lambda: len(seen) > len(codes) - 1, "the frames")
        for code in codes:
            self.assertEqual(seen[code], code.to_bytes(2, "big") +
                             "é".encode() + b"x" * 121)

    def test_ping(self):
        got = []

        def listen(peer, _):
            reader = Reader(peer)
            while True:
                got.append(reader.next())
                if got[-1][0] == 8:
                    return
        server = self.after(listen)
        self.talk("""
            local client = assert(websocket.connect(base .. "/x"))
            assert(client:ping() == true)
            assert(client:ping(("x"):rep(125)) == true)
            assert(client:ping("\\0\\xff") == true)
            local ok, err = client:ping(("x"):rep(126))
            assert(ok == false and err:kind() == errors.INVALID)
            ok, err = client:send("\\xff")
            assert(ok == false and err:kind() == errors.INVALID)
            ok, err = client:send("x", 3)
            assert(ok == false and err:kind() == errors.INVALID)
            assert(client:send("\\xff", websocket.BINARY))
            client:close()
            print "done"
        """, server, out=["done"])
        wait_until(lambda: got and got[-1][0] == 8, "the close")
        self.assertEqual(got, [(9, b""), (9, b"x" * 125), (9, b"\0\xff"),
                               (2, b"\xff"), (8, b"\3\xe8")])

    def test_control_messages(self):
        def wait(peer, _):
            read_frame(peer)
            read_frame(peer)
        server = self.after(wait, frame(9, b"p\xff"), frame(1, b"one"),
                            frame(10, b"q"), frame(10),
                            frame(8, b"\x0f\xa0why"))
        for on, want in (("true", ["ping\tp\\xff\tnil", "text\tone\tnil",
                                   "pong\tq\tnil", "pong\t\tnil",
                                   "close\t4000\twhy", "4000\twhy\ttrue"]),
                         ("false", ["text\tone\tnil", "4000\twhy\ttrue"])):
            self.talk("""
                local client = assert(websocket.connect(base .. "/x",
                  {control_messages = %s}))
                while true do
                  local m, ok = client:channel():receive()
                  if not ok then break end
                  print(m.type, (tostring(m.data or m.code):gsub("\\xff",
                                                                "\\\\xff")),
                        m.reason)
                end
                local info = client:close_info()
                print(info.code, info.reason, info.clean)
            """ % on, server, out=want)

    def test_subprotocols(self):
        def answer(peer):
            line, fields = read_head(peer)
            offered.append(fields.get("sec-websocket-protocol"))
            peer.sendall(switching(fields,
                                   "Sec-WebSocket-Protocol: %s\r\n" % choice))
            while peer.recv(100):
                pass
        offered = []
        server = self.enter(RawServer(answer))
        for choice, fits in (("chat", True), ("v2.chat", True),
                             ("Chat", False), ("other", False),
                             ("chat, v2.chat", False), ("", False)):
            self.talk("""
                local client, err = websocket.connect(base .. "/x",
                  {protocols = {"v2.chat", "chat"}})
                print(client and client:subprotocol() or err:kind())
                if client then client:close() end
            """, server, out=[choice if fits else "Internal"])
        self.assertEqual(set(offered), {"v2.chat, chat"})

    def test_a_timeout_of_writing_is_of_one_message(self):
        """Many short ones may take longer than it in all."""
        def slowly(peer, _):
            reader = Reader(peer)
            for _ in range(6):
                reader.next()
                time.sleep(0.1)
            peer.sendall(frame(8, b"\3\xe8"))
            reader.next()
        self.talk("""
            local client = assert(websocket.connect(base .. "/x",
              {write_timeout = "20s", read_timeout = "0s"}))
            for i = 1, 6 do
              assert(client:send("x"))
              time.sleep "100ms"
            end
            while select(2, client:channel():receive()) do end
            print(client:close_info().code)
        """, self.after(slowly), out=["1000"])

    def test_a_full_channel_is_no_silence(self):
        """The read timeout does not run while the script is behind."""
        def wait(peer, _):
            read_frame(peer)
        server = self.after(wait, *(frame(1, b"%d" % i) for i in range(5)),
                            frame(8, b"\3\xe8"))
        # between two messages there must be less than that
        patiently(lambda scale: self.talk("""
            local ms = 100 * tonumber(arg[2])
            local client = assert(websocket.connect(base .. "/x",
              {read_timeout = 2 * ms, channel_capacity = 1}))
            local n = 0
            for _ = 1, 5 do
              time.sleep(3 * ms * time.MILLISECOND)
              assert(client:channel():receive().data == tostring(n))
              n = n + 1
            end
            print(n, select(2, client:channel():receive()))
            print(client:close_info().code)
        """, server, str(scale), out=["5\tfalse", "1000"]))

    def test_thousands_of_clients(self):
        server = self.echo(max_queue=4)
        most = min(1000, (descriptors(self, 2200) - 200) // 2)
        self.talk("""
            local n = tonumber(arg[2])
            local ready, go, done = channel.new(0), channel.new(0),
                                    channel.new(0)
            for i = 1, n do
              coroutine.spawn(function()
                local client, err = websocket.connect(base .. "/" .. i,
                                                      {dial_timeout = "4m"})
                assert(client, tostring(err))
                ready:send(true)
                go:receive()
                assert(client:send("from " .. i))
                assert(client:channel():receive().data == "from " .. i)
                assert(client:close())
                done:send(true)
              end)
            end
            for _ = 1, n do ready:receive() end
            go:close()
            for _ = 1, n do done:receive() end
            print(n)
        """, server, str(most), out=[str(most)], options=[
            "--max-connections", str(most), "--max-connects-per-minute",
            "9999", "--memory", "128MiB"])
        self.assertEqual(len(server.requests), most)

    def test_collected_clients(self):
        """Nobody keeps them: closed with 1001, and their room is free."""
        server = self.echo()
        self.talk("""
            for i = 1, 60 do
              local client
              repeat
                local err
                client, err = websocket.connect(base .. "/" .. i)
                if not client then
                  assert(err:kind() == errors.RATE_LIMITED, tostring(err))
                  for j = 1, 20000 do local rubbish = {j} end
                  time.sleep "2ms"
                end
              until client
              client = nil
            end
            print "done"
        """, server, out=["done"], options=["--max-connections", "8"])
        wait_until(lambda: len(server.closes) == 60, "the closes")
        self.assertEqual({code for code, _ in server.closes}, {1001})

    def test_many_tasks_on_one_client(self):
        """Senders, a receiver, pings and a close, all at once."""
        server = self.echo()
        self.talk("""
            local client = assert(websocket.connect(base .. "/x",
              {compression = "context_takeover", compression_threshold = 0}))
            local done, sums = channel.new(0), {}
            for task = 1, 10 do
              coroutine.spawn(function()
                for i = 1, 20 do
                  assert(client:send(("%d "):format(task):rep(i * 400)))
                  if i % 5 == 0 then assert(client:ping(tostring(i))) end
                end
                done:send(true)
              end)
            end
            for task = 1, 4 do
              coroutine.spawn(function()
                for _ = 1, 50 do
                  local data = client:receive():receive().data
                  local who = data:match "^(%d+) "
                  assert(data == (who .. " "):rep(#data // (#who + 1)))
                  sums[who] = (sums[who] or 0) + #data // (#who + 1)
                end
                done:send(true)
              end)
            end
            for _ = 1, 14 do done:receive() end
            for task = 1, 10 do
              assert(sums[tostring(task)] == 210 * 400)
            end
            assert(client:close())
            print "done"
        """, server, out=["done"], options=["--memory", "128MiB"])

    def test_close_while_others_wait(self):
        """A sender that waits for a deaf peer, and a receiver."""
        stop = threading.Event()
        self.addCleanup(stop.set)
        server = self.after(lambda peer, _: stop.wait(LIMIT_S))
        self.talk("""
            local client = assert(websocket.connect(base .. "/x",
              {write_timeout = "700ms"}))
            local done = channel.new(0)
            coroutine.spawn(function()
              local ok, err
              repeat ok, err = client:send(("x"):rep(8 << 20)) until not ok
              done:send("send " .. err:kind())
            end)
            coroutine.spawn(function()
              done:send("receive " .. tostring(client:receive():receive()))
            end)
            time.sleep "200ms"
            local ok = client:close()
            local a, b = (done:receive()), (done:receive())
            print(ok, a < b and a or b, a < b and b or a)
            print(client:close_info().code, client:close_info().clean)
        """, server, out=["true\treceive nil\tsend Timeout", "1006\tfalse"])


if __name__ == "__main__":
    main()
