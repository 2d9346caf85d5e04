"""Many connections of one script, all open at the same time."""

import selectors
import socket
import threading
import unittest

from peer import (LIMIT_S, PeerTest, accept_key, descriptors, frame, main,
                  policy_for, wait_until)

MOST = 1500
SPARE = 200  # descriptors for everything else


class EchoServer:
    """Echoes short messages, in one thread."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.setblocking(False)
        self.url = "ws://localhost:%d" % self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.open = self.peak = self.echoes = 0
        self.goodbyes = []
        self.stop, self.stopped = socket.socketpair()
        self.selector.register(self.stopped, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.main, daemon=True)
        self.thread.start()
        return self

    def main(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.stopped:
                    return
                if key.fileobj is self.listener:
                    peer, _ = self.listener.accept()
                    self.selector.register(peer, selectors.EVENT_READ,
                                           bytearray())
                    self.open += 1
                    self.peak = max(self.peak, self.open)
                else:
                    self.serve(key.fileobj, key.data)

    def serve(self, peer, buffered):
        try:
            data = peer.recv(4096)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(peer)
            peer.close()
            self.open -= 1
            return
        buffered += data
        if buffered.startswith(b"GET "):
            head, end, rest = bytes(buffered).partition(b"\r\n\r\n")
            if not end:
                return
            buffered[:] = rest
            key = next(line.split(b":", 1)[1].strip().decode()
                       for line in head.split(b"\r\n")
                       if line.lower().startswith(b"sec-websocket-key:"))
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\n"
                         b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: %s\r\n\r\n" %
                         accept_key(key).encode())
        while len(buffered) >= 6 and len(buffered) >= 6 + (buffered[1] & 127):
            size, mask = buffered[1] & 127, buffered[2:6]
            payload = bytes(b ^ mask[i % 4]
                            for i, b in enumerate(buffered[6:6 + size]))
            opcode = buffered[0] & 15
            del buffered[:6 + size]
            if opcode == 8:
                self.goodbyes.append(int.from_bytes(payload[:2], "big"))
            else:
                self.echoes += 1
            try:
                peer.sendall(frame(opcode, payload))
            except OSError:
                pass

    def __exit__(self, *_):
        self.stop.close()
        self.thread.join(LIMIT_S)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


class Many(PeerTest):
    def setUp(self):
        super().setUp()
        # the broker of a worker may hold two for each
        self.most = (descriptors(self, 2 * MOST + SPARE) - SPARE) // 2
        if self.most < 100:
            self.skipTest("too few descriptors")

    def test_all_at_once(self):
        server = self.enter(EchoServer())
        self.check("""
            local websocket = require "websocket"
            local url, n = arg[1], tonumber(arg[2])
            local clients, opened = {}, channel.new(100)
            for first = 1, 100 do
              coroutine.spawn(function()
                for i = first, n, 100 do
                  clients[i] = assert(websocket.connect(url .. "/echo"))
                end
                opened:send(true)
              end)
            end
            for _ = 1, 100 do opened:receive() end
            for i = 1, n do assert(clients[i]:send("number " .. i)) end
            -- the last first: none is lost for having to wait
            for i = n, 1, -1 do
              local msg, ok = clients[i]:channel():receive()
              assert(ok and msg.data == "number " .. i)
            end
            for i = 1, n, 2 do assert(clients[i]:close(4001)) end
            print(n)
        """, server.url, str(self.most), policy=policy_for(server.url + "/*"),
            options=["--max-connections", str(self.most),
                     "--max-connects-per-minute", "100000",
                     "--memory", "256MiB", "--deadline", "%ds" % LIMIT_S],
            out=[str(self.most)])
        self.assertEqual(server.peak, self.most)
        self.assertEqual(server.echoes, self.most)
        # the server may be behind
        wait_until(lambda: len(server.goodbyes) == self.most, "the goodbyes")
        self.assertEqual(server.goodbyes.count(4001), (self.most + 1) // 2)


if __name__ == "__main__":
    main()
