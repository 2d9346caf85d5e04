"""A server that goes wrong at a place of one's choice: a conversation is known
byte by byte, and the connection ends, is reset or falls silent after the n-th.
With TLS a proxy in between counts the bytes, which nobody can know before."""

import select
import socket
import struct
import threading
import time

from peer import LIMIT_S, RawServer, frame, read_frame, read_head, switching

END, RESET, STALL = "end", "reset", "stall"
STALL_S = LIMIT_S  # longer than any client waits


def end(sock, how):
    """What follows the last byte."""
    if how == STALL:
        time.sleep(STALL_S)
    elif how == RESET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        sock.close()
    else:
        sock.shutdown(socket.SHUT_WR)


# What the server says: a message, another in two fragments with a ping inside,
# an answer to the client's, and goodbye.
MESSAGES = ["first", "second and third", "you said hello"]
GREETING = [frame(1, b"first"), frame(1, b"second ", fin=False) +
            frame(9, b"ping"), frame(0, b"and third")]
ANSWER = frame(1, b"you said hello")
GOODBYE = frame(8, b"\x0f\xa1goodbye")

# The client's part of it; one line of what came of it.
CLIENT = r"""
local websocket = require "websocket"
local time = require "time"
local base, first, last, step = arg[1], tonumber(arg[2]), tonumber(arg[3]),
                                tonumber(arg[4])
local function one(n)
  local client, err = websocket.connect(("%s/%d"):format(base, n),
    {dial_timeout = DIAL, read_timeout = READ})
  if not client then
    local d = err:details()
    return ("%d failed %s %s %s %s"):format(n, err:kind(),
      tostring(err:retryable()), d.stage, d.reason)
  end
  local ch, got = client:channel(), {}
  while true do
    local msg, ok = ch:receive()
    if not ok then break end
    got[#got + 1] = msg.data
    if #got == 2 then client:send "hello" end
  end
  local info = client:close_info()
  local ok, err = client:send "too late"
  assert(not ok and err:kind() == errors.INTERNAL and not err:retryable())
  assert(client:close() == true)
  return ("%d closed %d %s [%s] %s"):format(n, info.code, tostring(info.clean),
    table.concat(got, ","), info.reason)
end
local work, done = channel.new(0), channel.new(0)
local TASKS = 16
for _ = 1, TASKS do
  coroutine.spawn(function()
    while true do
      local n, ok = work:receive()
      if not ok then break end
      print(one(n))
    end
    done:send(true)
  end)
end
for n = first, last, step do work:send(n) end
work:close()
for _ = 1, TASKS do done:receive() end
print "done"
"""


def client(dial='"2m"', read='"2m"'):
    return CLIENT.replace("DIAL", dial).replace("READ", read)


def asked(line):
    """The number in "GET /17 HTTP/1.1"."""
    return int(line.split()[1].strip("/"))


class Converses(RawServer):
    """Says its part, all of it; with |cut|, the first n bytes of it, n being
    what the client asks for in the path, and then |how|."""

    def __init__(self, cut=False, how=END, tls=None):
        super().__init__(self.talk, tls)
        self.cut = cut
        self.how = how

    @staticmethod
    def length():
        """Bytes the server sends in all."""
        return len(switching({"sec-websocket-key": "x" * 24})) + sum(
            map(len, GREETING)) + len(ANSWER) + len(GOODBYE)

    def talk(self, peer):
        line, fields = read_head(peer)
        left = asked(line) if self.cut else 1 << 30
        # a reset forgets what Nagle's algorithm has held back
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def say(data):
            nonlocal left
            peer.sendall(data[:left])
            left -= len(data)
            if left <= 0:
                end(peer, self.how)
                raise EOFError
        try:
            say(switching(fields))
            for data in GREETING:
                say(data)
            while read_frame(peer)[0] != 1:  # pongs
                pass
            say(ANSWER)
            say(GOODBYE)
            while read_frame(peer)[0] != 8:
                pass
        except (EOFError, ConnectionError):
            pass
        if self.how == END:
            try:
                while peer.recv(4096):
                    pass
            except OSError:
                pass


class Deaf(RawServer):
    """Reads |n| bytes, as the path would ask for, and resets.  The path is
    among what it reads: n is counted up by the connections."""

    def __init__(self, cuts, how=RESET):
        super().__init__(self.talk)
        self.cuts = list(cuts)
        self.how = how
        self.lock = threading.Lock()

    def talk(self, peer):
        with self.lock:
            left = self.cuts.pop(0)
        data, answered = b"", False
        while len(data) < left:
            piece = peer.recv(min(left - len(data), 4096))
            if not piece:
                return
            data += piece
            if not answered and b"\r\n\r\n" in data:
                answered = True
                fields = dict(
                    l.lower().split(": ", 1)
                    for l in data.decode("latin-1").split("\r\n")[1:]
                    if l.lower().startswith("sec-websocket-key: "))
                key = data.split(b"Key: ")[1].split(b"\r\n")[0].decode()
                fields["sec-websocket-key"] = key
                peer.sendall(switching(fields) + b"".join(GREETING))
        end(peer, self.how)


class Proxy(RawServer):
    """Hands bytes on, from the upstream only so many as |budgets| says for the
    connection at hand; then |how|.  |slowly|: a byte at a time."""

    def __init__(self, upstream, budget=None, how=END, slowly=False):
        super().__init__(self.relay)
        self.upstream = upstream
        self.budget = budget  # a function of the connection's number
        self.how = how
        self.slowly = slowly
        self.number = 0
        self.lock = threading.Lock()
        self.most = 0  # bytes that an upstream has sent on one connection

    @property
    def url(self):
        return self.upstream.url.rsplit(":", 1)[0] + ":%d" % self.port

    def relay(self, peer):
        with self.lock:
            number, self.number = self.number, self.number + 1
        left = self.budget(number) if self.budget else 1 << 30
        sent = 0
        with socket.create_connection(("127.0.0.1",
                                       self.upstream.port)) as up:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            open_ends = {peer: up, up: peer}
            while open_ends:
                for ready in select.select(list(open_ends), [], [],
                                           LIMIT_S)[0]:
                    data = ready.recv(65536)
                    if not data:
                        open_ends.pop(ready).shutdown(socket.SHUT_WR)
                        continue
                    if ready is up:
                        data = data[:left - sent]
                        sent += len(data)
                        self.most = max(self.most, sent)
                    self.pass_on(open_ends[ready], data)
                    if sent >= left:
                        end(peer, self.how)
                        if self.how == END:
                            while peer.recv(65536):
                                pass
                        return

    def pass_on(self, to, data):
        if not self.slowly:
            to.sendall(data)
            return
        for i in range(len(data)):
            to.sendall(data[i:i + 1])
