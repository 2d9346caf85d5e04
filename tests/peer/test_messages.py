"""Messages, pings and closes with python3-websockets, over ws and wss."""

import asyncio
import os
import signal
import unittest

from peer import (LIMIT_S, Certificates, PeerTest, WebSocketServer, main,
                  patiently, policy_for, wait_until)

HEAD = """
local websocket = require "websocket"
local json = require "json"
local time = require "time"
local base = arg[1]
"""


class Plain(PeerTest):
    tls = None
    options = ()

    def server(self, handler=None, **options):
        return self.enter(WebSocketServer(handler, tls=self.tls, **options))

    def talk(self, script, server, **kw):
        kw.setdefault("options", self.options)
        return self.check(
            HEAD + script, server.url,
            policy=policy_for(server.url + "/echo"), **kw)

    def test_text(self):
        server = self.server()
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            for _, text in ipairs {"hello", "", "Grüße, 世界 🎉",
                                   ("é"):rep(5000)} do
              assert(client:send(text) == true)
              local msg, ok = client:channel():receive()
              assert(ok and msg.type == "text" and msg.data == text)
            end
            assert(client:close() == true)
            print "done"
        """, server, out=["done"])
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(server.closes, [(1000, "")])
        self.assertEqual(server.received[2], "Grüße, 世界 🎉")
        path, headers = server.requests[0]
        self.assertEqual(path, "/echo")
        self.assertEqual(headers["Host"], "localhost:%d" % server.port)
        self.assertEqual(headers["Sec-WebSocket-Version"], "13")
        self.assertNotIn("Sec-WebSocket-Extensions", headers)

    def test_binary_600_kb(self):
        server = self.server()
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            local parts = {}
            for i = 1, 600 do
              parts[i] = string.char(i % 256, (i * 7) % 256):rep(500)
            end
            local data = table.concat(parts)
            assert(#data == 600000)
            assert(client:send(data, websocket.BINARY))
            local msg, ok = client:channel():receive()
            assert(ok and msg.type == websocket.TYPE_BINARY)
            assert(msg.data == data)
            client:close()
            print(#msg.data)
        """, server, out=["600000"])
        want = b"".join(bytes([i % 256, (i * 7) % 256]) * 500
                        for i in range(1, 601))
        self.assertEqual(server.received, [want])

    def test_many_in_order(self):
        server = self.server()
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            coroutine.spawn(function()
              for i = 1, 500 do
                assert(client:send("message " .. i))
              end
            end)
            local ch = client:channel()
            assert(ch == client:receive())
            for i = 1, 500 do
              assert(ch:receive().data == "message " .. i)
            end
            client:close()
            print "done"
        """, server, out=["done"])

    def test_tasks_do_not_interleave(self):
        server = self.server()
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            for task = 1, 5 do
              coroutine.spawn(function()
                for _ = 1, 4 do
                  assert(client:send(tostring(task):rep(100000)))
                end
              end)
            end
            local seen = {}
            for _ = 1, 20 do
              local data = client:channel():receive().data
              local digit = data:sub(1, 1)
              assert(data == digit:rep(100000))
              seen[digit] = (seen[digit] or 0) + 1
            end
            for task = 1, 5 do
              assert(seen[tostring(task)] == 4)
            end
            print "done"
        """, server, out=["done"])

    def test_many_connections(self):
        server = self.server()
        self.talk("""
            local done = channel.new(0)
            for i = 1, 20 do
              coroutine.spawn(function()
                local client = assert(websocket.connect(base .. "/echo"))
                assert(client:send("from " .. i))
                local msg = client:channel():receive()
                assert(msg.data == "from " .. i)
                client:close()
                done:send(true)
              end)
            end
            for _ = 1, 20 do
              done:receive()
            end
            print "done"
        """, server, out=["done"])
        self.assertEqual(len(server.requests), 20)

    def test_select_with_timer(self):
        async def slow(ws):
            if await ws.recv() == "ticked":
                await ws.send("late")
            await ws.wait_closed()
        server = self.server(slow)
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            local ch = client:channel()
            local ticks, timer = 0, time.after("20ms")
            while true do
              local r = channel.select {
                ch:case_receive(),
                timer:case_receive()
              }
              if r.channel == timer then
                ticks = ticks + 1
                if ticks == 3 then client:send("ticked") end
                timer = time.after("20ms")
              else
                assert(r.ok and r.value.data == "late")
                break
              end
            end
            assert(ticks >= 3)
            client:close()
            print "done"
        """, server, out=["done"])

    def test_ping(self):
        async def pings(ws):
            waiter = await ws.ping(b"are you there")
            await asyncio.wait_for(waiter, LIMIT_S)
            await ws.send("pong seen")
            await ws.wait_closed()
        server = self.server(pings)
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            assert(client:channel():receive().data == "pong seen")
            assert(client:ping() == true)
            assert(client:ping("payload") == true)
            client:close()
            print "done"
        """, server, out=["done"])
        self.assertEqual(server.errors, [])

    def test_control_messages(self):
        async def pings(ws):
            waiter = await ws.ping(b"knock")
            await asyncio.wait_for(waiter, LIMIT_S)
            await ws.recv()
            await ws.close(3001, "enough")
        server = self.server(pings)
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo",
              {control_messages = true}))
            client:ping("mine")
            client:send("x")
            while true do
              local msg, ok = client:channel():receive()
              if not ok then break end
              print(msg.type, msg.data or msg.code, msg.reason)
            end
        """, server)
        # the order of the pong and the ping is the peers' affair
        # python3-websockets answers a ping at once

    def test_server_closes(self):
        async def bye(ws):
            await ws.send("one")
            await ws.close(4242, "auf Wiederséhen")
        server = self.server(bye)
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            local ch = client:channel()
            print(ch:receive().data)
            print(ch:receive())
            local info = client:close_info()
            print(info.code, info.reason, info.clean)
        """, server, out=["one", "nil\tfalse",
                          "4242\tauf Wiederséhen\ttrue"])

    def test_client_closes_with_reason(self):
        server = self.server()
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            local ok, err = client:close(1005)
            assert(ok == false and err:kind() == errors.INVALID)
            ok, err = client:close(1000, ("x"):rep(124))
            assert(ok == false and err:kind() == errors.INVALID)
            ok, err = client:close(1000, "\\xff")
            assert(ok == false and err:kind() == errors.INVALID)
            ok, err = client:close(2999)
            assert(ok == false and err:kind() == errors.INVALID)
            assert(client:close(websocket.CLOSE_CODES.INTERNAL_ERROR,
                                "Processing failed") == true)
            assert(client:close() == true)
            ok, err = client:send("too late")
            assert(ok == false and err:kind() == errors.INTERNAL)
            assert(err:retryable() == false)
            print "done"
        """, server, out=["done"])
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(server.closes, [(1011, "Processing failed")])

    def test_script_ends_without_close(self):
        server = self.server()
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            client:send("x")
            client:channel():receive()
            print "done"
        """, server, out=["done"])
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(server.closes[0][0], 1001)

    def test_script_fails(self):
        server = self.server()
        outcome = self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            local function broken()
              error("this went wrong")
            end
            broken()
        """, server, status=1)
        self.assertIn("this went wrong", outcome.err)
        self.assertIn("script.lua:", outcome.err)
        self.assertIn("traceback", outcome.err)
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(server.closes[0][0], 1001)

    def test_signals(self):
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            server = self.server()
            process = self.start(HEAD + """
                local client = assert(websocket.connect(base .. "/echo"))
                client:send("ready")
                client:channel():receive()
                client:channel():receive()
            """, server.url, policy=policy_for(server.url + "/echo"),
                options=self.options)
            wait_until(lambda: server.received, "the connection")
            process.send_signal(number)
            outcome = self.finish(process)
            self.assertEqual(outcome.status, status, outcome)
            wait_until(lambda: server.closes, "the close")
            self.assertEqual(server.closes[0][0], 1001)

    def test_connection_lost(self):
        async def vanish(ws):
            await ws.send("one")
            await asyncio.sleep(0.1)
            ws.transport.abort()
        server = self.server(vanish)
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            local ch = client:channel()
            print(ch:receive().data)
            print(ch:receive())
            local info = client:close_info()
            print(info.code, info.clean)
        """, server, out=["one", "nil\tfalse", "1006\tfalse"])

    def test_fragments(self):
        async def pieces(ws):
            await ws.send(["in ", "four ", "frag", "ments"])
            await ws.send([b"\0" * 70000, b"\1" * 70000])
            await ws.wait_closed()
        server = self.server(pieces)
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo"))
            local ch = client:channel()
            print(ch:receive().data)
            local msg = ch:receive()
            assert(msg.type == "binary")
            assert(msg.data == ("\\0"):rep(70000) .. ("\\1"):rep(70000))
            client:close()
        """, server, out=["in four fragments"])

    def test_back_pressure(self):
        sent = []

        async def flood(ws):
            for i in range(2000):
                await ws.send("%06d" % i + "x" * 20000)
                sent.append(i)
            await ws.close()
        server = self.server(flood)
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo",
              {channel_capacity = 2}))
            local ch = client:channel()
            time.sleep("500ms")
            local n = 0
            while true do
              local msg, ok = ch:receive()
              if not ok then break end
              assert(tonumber(msg.data:sub(1, 6)) == n)
              n = n + 1
            end
            print(n)
        """, server, out=["2000"], options=[
            *self.options, "--memory", "16MiB"])
        self.assertEqual(len(sent), 2000)

    def test_read_limit(self):
        async def large(ws):
            await ws.send("fits")
            await ws.send("x" * 2000)
            await ws.wait_closed()
        server = self.server(large)
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo",
              {read_limit = 1000}))
            local ch = client:channel()
            print(ch:receive().data)
            print(ch:receive())
            print(client:close_info().code)
        """, server, out=["fits", "nil\tfalse", "1009"])
        wait_until(lambda: server.closes, "the close")
        self.assertEqual(server.closes[0][0], 1009)

    def test_read_timeout(self):
        async def silent(ws):
            await ws.send("one")
            await ws.wait_closed()

        def attempt(scale):
            server = self.server(silent)
            self.talk("""
                local client = assert(websocket.connect(base .. "/echo",
                  {read_timeout = 300 * %d}))
                local ch = client:channel()
                local msg, ok = ch:receive()
                print(ok and msg.data)
                print(ch:receive())
            """ % scale, server, out=["one", "nil\tfalse"])
            wait_until(lambda: server.closes, "the close")
            self.assertEqual(server.closes[0][0], 1001)
        patiently(attempt)

    def test_headers_and_subprotocol(self):
        server = self.server(subprotocols=["graphql-ws", "chat"])
        self.talk("""
            local client = assert(websocket.connect(base .. "/echo", {
              headers = {["Authorization"] = "Bearer s3cret",
                         ["X-Request-Id"] = "42"},
              protocols = {"superchat", "graphql-ws"},
              dial_timeout = "10s",
              read_timeout = 30000,
            }))
            print(client:subprotocol())
            client:close()
        """, server, out=["graphql-ws"])
        wait_until(lambda: server.requests, "the request")
        _, headers = server.requests[0]
        self.assertEqual(headers["Authorization"], "Bearer s3cret")
        self.assertEqual(headers["X-Request-Id"], "42")
        offered = ", ".join(headers.get_all("Sec-WebSocket-Protocol"))
        self.assertEqual([p.strip() for p in offered.split(",")],
                         ["superchat", "graphql-ws"])

    def test_query_and_canonical_path(self):
        server = self.server()
        self.check(HEAD + """
            local client = assert(websocket.connect(
              base:gsub("localhost", "LOCALHOST") .. "/ch%61t?room=%7E1"))
            client:close()
        """, server.url, policy=policy_for(server.url + "/chat*"),
            options=self.options)
        self.assertEqual(server.requests[0][0], "/chat?room=~1")
        self.assertEqual(server.requests[0][1]["Host"],
                         "localhost:%d" % server.port)

    def test_collected_client_is_closed(self):
        async def closed(ws):
            async for _ in ws:
                await ws.send(str(len(server.closes)))
        server = self.server(closed)
        self.talk("""
            local other = assert(websocket.connect(base .. "/echo"))
            do
              local client = assert(websocket.connect(base .. "/echo"))
              client = nil
            end
            local rubbish
            repeat
              for j = 1, 1000 do rubbish = {j} end
              time.sleep("1ms")
              other:send("how many are closed?")
            until other:channel():receive().data == "1"
            print "done"
        """, server, out=["done"])
        self.assertEqual(server.closes[0][0], 1001)


class Tls(Plain):
    def setUp(self):
        super().setUp()
        certificates = Certificates.get()
        self.tls = certificates.context()
        self.options = ("--ca", certificates.ca)


if __name__ == "__main__":
    main()
