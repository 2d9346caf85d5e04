"""A server that plays scripts of bytes, for one client that runs them all.

A Case is what the server sends and what must come of it.  The whole table is
served on one port: the client asks for /NUMBER/MANNER, and the manner says how
the bytes are cut into pieces.  What the client sends is written down, frame by
frame, until it hangs up.
"""

import re
import socket
import threading
import zlib

from peer import (RawServer, frame, policy_for, read_head, switching,
                  wait_until)

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

# behind the 101 in one piece; a piece a frame; a piece a byte
TOGETHER, FRAMES, BYTES = range(3)
BYTES_MAX = 700  # more than that a byte at a time is only slow


class Frame:
    """One frame of the server; what it means is worked out by expected()."""

    def __init__(self, opcode, payload=b"", fin=True, rsv=0, packed=None):
        self.opcode = opcode
        self.payload = payload
        self.fin = fin
        self.rsv = rsv
        # as it goes over the wire, where that is not the payload itself
        self.packed = payload if packed is None else packed

    @property
    def bytes(self):
        return frame(self.opcode, self.packed, self.fin, self.rsv)


class Case:
    """|frames|: what is well-formed and must be answered.  |bad|: bytes that
    break a rule, and |code| what the client must then close with.  |close|: the
    payload of the server's last frame (None: code 1000), which the client has
    to answer with |answer|.  |options|: those of connect, in Lua.  |heard|:
    what the client must make of the end, where it is not |code|."""

    def __init__(self, name, *frames, bad=None, code=1000, close=None,
                 answer=None, heard=None, options="", extension=None,
                 inflate=None, manners=(TOGETHER, FRAMES, BYTES)):
        self.name = name
        self.frames = frames
        self.bad = bad
        self.code = code
        self.close = code.to_bytes(2, "big") if close is None else close
        self.answer = self.close[:2] if answer is None else answer
        self.heard = heard
        self.options = options
        self.extension = extension
        self.inflate = inflate
        sent = sum(len(f.packed) for f in frames) + len(bad or b"")
        self.manners = [m for m in manners if m != BYTES or sent <= BYTES_MAX]

    def expected(self):
        """The messages and pongs that the good frames ask for."""
        data, pongs, under_way = [], [], None
        for f in self.frames:
            if f.opcode == PING:
                pongs.append(f.payload)
            elif f.opcode in (TEXT, BINARY, 0):
                if f.opcode:
                    under_way = (f.opcode, [])
                under_way[1].append(f.payload)
                if f.fin:
                    data.append((under_way[0], b"".join(under_way[1])))
                    under_way = None
        return data, pongs


class Reader:
    """Frames of a client, in big pieces; says what breaks RFC 6455."""

    def __init__(self, peer, inflate=None):
        self.peer = peer
        self.data = bytearray()
        self.inflate = inflate  # None, or (window bits, takeover)
        self.inflater = None

    def need(self, n):
        while len(self.data) < n:
            piece = self.peer.recv(1 << 20)
            if not piece:
                raise EOFError(len(self.data))
            self.data += piece

    def unpack(self, payload):
        bits, takeover = self.inflate
        if not self.inflater or not takeover:
            self.inflater = zlib.decompressobj(-bits)
        return self.inflater.decompress(payload + b"\0\0\xff\xff")

    def next(self):
        """(opcode, payload) of a whole message or control frame."""
        parts, packed, kind = [], False, None
        while True:
            opcode, fin, rsv, payload = self.one()
            if opcode >= 8:
                assert fin and not rsv and len(payload) <= 125
                return opcode, payload
            if kind is None:
                assert opcode in (TEXT, BINARY), opcode
                kind, packed = opcode, rsv == 4
                assert rsv == 0 or (packed and self.inflate), rsv
            else:
                assert opcode == 0 and rsv == 0
            parts.append(payload)
            if fin:
                whole = b"".join(parts)
                return kind, self.unpack(whole) if packed else whole

    def one(self):
        self.need(2)
        first, second = self.data[:2]
        assert second & 0x80, "a client's frame without a mask"
        n, at = second & 0x7F, 2
        if n > 125:
            size = 2 if n == 126 else 8
            self.need(2 + size)
            n, at = int.from_bytes(self.data[2:2 + size], "big"), 2 + size
            assert n > (125 if size == 2 else 65535), "not the shortest length"
        self.need(at + 4 + n)
        mask = bytes(self.data[at:at + 4])
        body = bytes(self.data[at + 4:at + 4 + n])
        del self.data[:at + 4 + n]
        long = (mask * (n // 4 + 1))[:n]
        body = (int.from_bytes(body, "big") ^
                int.from_bytes(long, "big")).to_bytes(n, "big")
        return first & 15, bool(first & 0x80), first >> 4 & 7, body


class ScriptServer(RawServer):
    def __init__(self, cases, tls=None):
        super().__init__(self.play, tls)
        self.cases = cases
        self.lock = threading.Lock()
        self.seen = {}  # (number, manner): what the client sent

    def play(self, peer):
        line, fields = read_head(peer)
        number, manner = map(int, re.match(
            r"GET /(\d+)/(\d)", line).groups())
        case = self.cases[number]
        extra = ""
        if case.extension is not None:
            extra = "Sec-WebSocket-Extensions: %s\r\n" % case.extension
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seen = {"data": [], "pongs": [], "close": None, "wrong": None}
        try:
            self.talk(peer, case, manner, switching(fields, extra), seen)
        except (AssertionError, zlib.error) as e:
            seen["wrong"] = repr(e)
        except (EOFError, OSError) as e:
            seen["end"] = repr(e)
        with self.lock:
            self.seen[number, manner] = seen

    @staticmethod
    def talk(peer, case, manner, head, seen):
        reader = Reader(peer, case.inflate)
        data, pongs = case.expected()
        pieces = [f.bytes for f in case.frames]
        if case.bad is not None:
            pieces.append(case.bad)
        if manner == TOGETHER:
            peer.sendall(head + b"".join(pieces))
        else:
            peer.sendall(head)
            if manner == BYTES:
                all_of_it = b"".join(pieces)
                pieces = [all_of_it[i:i + 1] for i in range(len(all_of_it))]
            for piece in pieces:
                peer.sendall(piece)
        said = case.bad is not None
        while seen["close"] is None:
            if not said and len(seen["data"]) == len(data) and \
                    len(seen["pongs"]) == len(pongs):
                peer.sendall(frame(CLOSE, case.close))
                said = True
            opcode, payload = reader.next()
            if opcode == CLOSE:
                seen["close"] = payload
            elif opcode == PONG:
                seen["pongs"].append(payload)
            else:
                assert opcode != PING
                seen["data"].append((opcode, payload))


# Sends everything back, and tells how each conversation ended.
ECHO = r"""
local websocket = require "websocket"
local base, options = arg[1], {%s}
local function one(number, manner)
  local o = options[number]
  local client, err = websocket.connect(
    ("%%s/%%d/%%d"):format(base, number, manner), o)
  if not client then
    print(number, manner, "refused: " .. tostring(err))
    return
  end
  local ch = client:channel()
  local kinds = {}
  while true do
    local msg, ok = ch:receive()
    if not ok then break end
    kinds[#kinds + 1] = msg.type
    if msg.type == "text" or msg.type == "binary" then
      client:send(msg.data, msg.type == "text" and websocket.TEXT
                            or websocket.BINARY)
    end
  end
  local info = client:close_info()
  print(number, manner, info.code, info.clean, info.reason)
end
for number, manners in pairs {%s} do
  for _, manner in ipairs(manners) do one(number, manner) end
end
print "done"
"""


def play(test, cases, tls=None, options=()):
    """Runs the table, and checks both ends of each conversation."""
    server = test.enter(ScriptServer(cases, tls))
    script = ECHO % (
        ", ".join("[%d] = {%s}" % (i, c.options)
                  for i, c in enumerate(cases)),
        ", ".join("[%d] = {%s}" % (i, ", ".join(map(str, c.manners)))
                  for i, c in enumerate(cases)))
    outcome = test.check(
        script, server.url, policy=policy_for(server.url + "/**"),
        options=["--max-connects-per-minute", "1000000", "--memory",
                 "256MiB", "--cpu", "5m", *options])
    test.assertEqual(outcome.lines[-1], "done", outcome)
    # the client may have gone before the server has written down the last one
    wait_until(lambda: len(server.seen) + len(server.errors) >=
               sum(len(case.manners) for case in cases), "the server")
    told = {}
    for line in outcome.lines[:-1]:
        number, manner, rest = line.split("\t", 2)
        told[int(number), int(manner)] = rest
    for i, case in enumerate(cases):
        for manner in case.manners:
            with test.subTest(case=case.name, manner=manner):
                judge(test, case, server.seen.get((i, manner)),
                      told.get((i, manner)))
    test.assertEqual(server.errors, [])


def shown(messages):
    return [(kind, len(m), m[:60]) for kind, m in messages]


def judge(test, case, seen, told):
    data, pongs = case.expected()
    test.assertIsNotNone(seen, told)
    test.assertIsNone(seen["wrong"])
    test.assertEqual(shown(seen["data"]), shown(data), told)
    test.assertTrue(seen["data"] == data)
    test.assertEqual(seen["pongs"], pongs, told)
    test.assertIsNotNone(seen["close"], (seen.get("end"), told))
    if case.bad is None:
        test.assertEqual(seen["close"], case.answer)
        code = int.from_bytes(case.close[:2], "big") if case.close else 1005
        test.assertEqual(told, "%d\ttrue\t%s" % (
            code, case.close[2:].decode()))
    else:
        test.assertEqual(seen["close"][:2], case.code.to_bytes(2, "big"))
        test.assertEqual(told.split("\t")[:2],
                         [str(case.heard or case.code), "false"])
