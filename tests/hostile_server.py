"""A server that means no good, for the scripts of tests/hostile.

One thread, one port of the loopback interface, started when the first script
asks for it.  The path of a URL says what its connections do; see the functions
below, by name.
"""

import asyncio
import base64
import hashlib
import re
import struct
import threading

from patience import LIMIT_S

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN = 0x80


def frame(data=b"", opcode=TEXT, first=FIN):
    """A frame as servers send them: with no mask."""
    if len(data) < 126:
        head = struct.pack("!BB", first | opcode, len(data))
    elif len(data) < 1 << 16:
        head = struct.pack("!BBH", first | opcode, 126, len(data))
    else:
        head = struct.pack("!BBQ", first | opcode, 127, len(data))
    return head + data


class Peer:
    """One connection whose request has been read."""

    def __init__(self, reader, writer, request):
        self.reader = reader
        self.writer = writer
        self.request = request

    async def put(self, data):
        self.writer.write(data)
        await self.writer.drain()

    def answer(self, extra=b""):
        key = re.search(rb"(?im)^sec-websocket-key: *(\S+)", self.request)
        accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
        return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept +
                b"\r\n" + extra + b"\r\n")

    async def upgrade(self, extra=b""):
        await self.put(self.answer(extra))

    async def read_frame(self):
        b0, b1 = await self.reader.readexactly(2)
        n = b1 & 127
        if n == 126:
            n, = struct.unpack("!H", await self.reader.readexactly(2))
        elif n == 127:
            n, = struct.unpack("!Q", await self.reader.readexactly(8))
        mask = await self.reader.readexactly(4)
        data = bytearray(await self.reader.readexactly(n))
        for i, byte in enumerate(data):
            data[i] = byte ^ mask[i & 3]
        return b0 & 15, bytes(data)

    async def rest(self):
        """Until the other side has enough."""
        while await self.reader.read(65536):
            pass


# ------------------------------------------------------ good for a change ---


async def echo(peer):
    await peer.upgrade()
    while True:
        opcode, data = await peer.read_frame()
        if opcode == CLOSE:
            await peer.put(frame(data, CLOSE))
            return
        if opcode == PING:
            await peer.put(frame(data, PONG))
        elif opcode in (TEXT, BINARY):
            await peer.put(frame(data, opcode))


# --------------------------------------------------------- the handshake ---


async def silent(peer):
    await peer.rest()


async def redirect(peer):
    await peer.put(b"HTTP/1.1 302 Found\r\nLocation: /echo\r\n"
                   b"Content-Length: 0\r\n\r\n")


async def unauthorized(peer):
    await peer.put(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")


async def endless_headers(peer):
    await peer.put(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await peer.put(b"X-More: " + b"m" * 1000 + b"\r\n")


async def endless_line(peer):
    while True:
        await peer.put(b"HTTP" * 1000)


async def garbage(peer):
    await peer.put(bytes(range(256)) * 8)


async def wrong_accept(peer):
    answer = peer.answer()
    await peer.put(re.sub(rb"Accept: \S+", b"Accept: " + b"A" * 27 + b"=",
                          answer))
    await peer.rest()


async def other_protocol(peer):
    await peer.upgrade(b"Sec-WebSocket-Protocol: not-asked-for\r\n")
    await peer.rest()


async def other_extension(peer):
    await peer.upgrade(b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
    await peer.rest()


async def split_answer(peer):
    for byte in peer.answer():
        await peer.put(bytes([byte]))
    await peer.put(frame(b"after all"))
    await peer.rest()


async def early(peer):
    await peer.put(peer.answer() + frame(b"one") + frame(b"two") +
                   frame(b"\x03\xe8", CLOSE))


async def show(peer):
    """What the client asked for, as a message."""
    await peer.upgrade()
    await peer.put(frame(peer.request))
    await peer.rest()


# -------------------------------------------------------------- messages ---


async def flood(peer):
    await peer.upgrade()
    while True:
        await peer.put(frame(b"f" * 1000) * 50)


async def ping_flood(peer):
    await peer.upgrade()
    while True:
        await peer.put(frame(b"p" * 125, PING) * 50)


async def empty_fragments(peer):
    await peer.upgrade()
    await peer.put(frame(b"x", first=0))
    while True:
        await peer.put(frame(b"", 0, first=0) * 1000)


async def giant(peer):
    """A frame of 2^62 bytes."""
    await peer.upgrade()
    await peer.put(b"\x82\x7f" + struct.pack("!Q", 1 << 62))
    while True:
        await peer.put(b"g" * 65536)


async def negative_length(peer):
    await peer.upgrade()
    await peer.put(b"\x82\x7f" + struct.pack("!Q", (1 << 64) - 1))
    await peer.rest()


async def long_length(peer):
    """Five bytes, whose length takes eight: RFC 6455 section 5.2 forbids it."""
    await peer.upgrade()
    await peer.put(b"\x81\x7f" + struct.pack("!Q", 5) + b"hello")
    await peer.rest()


async def megabytes(peer):
    """Messages of 1 MiB, for ever."""
    await peer.upgrade()
    while True:
        await peer.put(frame(b"m" * (1 << 20), BINARY))


async def bad_text(peer):
    await peer.upgrade()
    await peer.put(frame(b"\xed\xa0\x80"))
    await peer.rest()


async def bad_text_split(peer):
    await peer.upgrade()
    await peer.put(frame(b"\xf4", first=0) + frame(b"\x90\x80\x80", 0))
    await peer.rest()


async def masked(peer):
    await peer.upgrade()
    await peer.put(b"\x81\x85\0\0\0\0hello")
    await peer.rest()


async def reserved_bit(peer):
    await peer.upgrade()
    await peer.put(frame(b"hello", first=FIN | 0x40))
    await peer.rest()


async def reserved_opcode(peer):
    await peer.upgrade()
    await peer.put(frame(b"hello", 3))
    await peer.rest()


async def long_ping(peer):
    await peer.upgrade()
    await peer.put(frame(b"p" * 126, PING))
    await peer.rest()


async def split_ping(peer):
    await peer.upgrade()
    await peer.put(frame(b"p", PING, first=0))
    await peer.rest()


async def lone_continuation(peer):
    await peer.upgrade()
    await peer.put(frame(b"c", 0))
    await peer.rest()


async def text_in_text(peer):
    await peer.upgrade()
    await peer.put(frame(b"a", first=0) + frame(b"b"))
    await peer.rest()


async def close_one_byte(peer):
    await peer.upgrade()
    await peer.put(frame(b"\x03", CLOSE))
    await peer.rest()


async def close_1005(peer):
    await peer.upgrade()
    await peer.put(frame(struct.pack("!H", 1005), CLOSE))
    await peer.rest()


async def close_bad_reason(peer):
    await peer.upgrade()
    await peer.put(frame(struct.pack("!H", 1000) + b"\xff\xfe", CLOSE))
    await peer.rest()


async def close_escape(peer):
    """A reason that would do something to a terminal."""
    await peer.upgrade()
    await peer.put(frame(struct.pack("!H", 4000) + b"\x1b]0;owned\x07", CLOSE))
    await peer.rest()


async def after_close(peer):
    await peer.upgrade()
    await peer.put(frame(b"before") + frame(struct.pack("!H", 1000), CLOSE) +
                   frame(b"after") * 1000)
    await peer.rest()


async def hang_up(peer):
    await peer.upgrade()
    await peer.put(b"\x81\x05he")


async def deaf(peer):
    """Reads nothing more."""
    await peer.upgrade()
    await asyncio.sleep(3600)


BEHAVIOURS = {name: f for name, f in list(globals().items())
              if asyncio.iscoroutinefunction(f)}


# ---------------------------------------------------------------- serving ---


async def serve(reader, writer):
    try:
        request = await reader.readuntil(b"\r\n\r\n")
        path = re.match(rb"GET /(\w*)", request)
        behave = BEHAVIOURS.get(path[1].decode() if path else "", unauthorized)
        await behave(Peer(reader, writer, request))
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


class Server:
    def __init__(self):
        self.lock = threading.Lock()
        self.port = None

    def start(self):
        with self.lock:
            if self.port is None:
                ready = threading.Event()
                threading.Thread(target=self.main, args=(ready,),
                                 daemon=True).start()
                ready.wait(LIMIT_S)
            return self.port

    def main(self, ready):
        async def live():
            server = await asyncio.start_server(serve, "127.0.0.1", 0,
                                                limit=1 << 18)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await server.serve_forever()
        asyncio.run(live())


SERVER = Server()


def url(behaviour):
    if behaviour not in BEHAVIOURS:
        raise ValueError("no such behaviour: " + behaviour)
    return "ws://localhost:%d/%s" % (SERVER.start(), behaviour)
