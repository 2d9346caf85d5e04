"""RFC 6455 and RFC 7692 rule by rule, the good and the bad, from scripts of
bytes.  The families are numbered as in the conformance suite that clients are
commonly held against, so that a gap shows:

1 framing   2 pings and pongs   3 reserved bits   4 opcodes   5 fragments
6 UTF-8     7 closing           9 limits          10 fragments of the sender
12, 13 permessage-deflate with and without parameters
"""

import struct
import unittest
import zlib

from peer import Certificates, PeerTest, frame, main
from script_server import (BINARY, CLOSE, FRAMES, PING, PONG, TEXT, TOGETHER,
                           Case, Frame, play)

HELLO = Frame(TEXT, b"Hello, world!")


def text(payload=b"", **kw):
    return Frame(TEXT, payload, **kw)


def binary(payload=b"", **kw):
    return Frame(BINARY, payload, **kw)


def more(payload=b"", **kw):
    return Frame(0, payload, **kw)


def split(kind, payload, size):
    """A message in frames of |size| bytes."""
    parts = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
    return [Frame(kind if i == 0 else 0, part, fin=i == len(parts) - 1)
            for i, part in enumerate(parts)]


SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536)


def framing():
    for size in SIZES:
        yield Case("1.1 text %d" % size, text(b"*" * size))
        yield Case("1.2 binary %d" % size, binary(b"\xfe" * size))
    yield Case("1.2 every byte", binary(bytes(range(256)) * 3))
    for name, bad in (
            ("16 bits for 5", b"\x81\x7e\0\5hello"),
            ("16 bits for 125", b"\x82\x7e\0\x7d" + b"x" * 125),
            ("64 bits for 5", b"\x81\x7f" + struct.pack("!Q", 5) + b"hello"),
            ("64 bits for 65535", b"\x82\x7f" + struct.pack("!Q", 65535)),
            ("the highest bit", b"\x82\x7f\x80" + b"\0" * 7),
            ("all bits", b"\x82\x7f" + b"\xff" * 8),
            ("a mask", frame(TEXT, b"hello", masked=True)),
            ("a mask on nothing", frame(TEXT, b"", masked=True)),
            ("a mask on a ping", frame(PING, b"", masked=True)),
            ("a mask on a close", frame(CLOSE, b"\3\xe8", masked=True))):
        yield Case("1 " + name, HELLO, bad=bad, code=1002)


def pings():
    for payload in (b"", b"Hello, world!", b"\0\xff\xfe\xfd\xfc\xfb\0\xff",
                    b"\xfe" * 125):
        yield Case("2 ping %d" % len(payload), Frame(PING, payload))
    yield Case("2.7 pong unasked", Frame(PONG))
    yield Case("2.8 pong with data unasked", Frame(PONG, b"unasked"))
    yield Case("2.9 pong, then ping", Frame(PONG, b"unasked"),
               Frame(PING, b"asked"))
    yield Case("2.10 ten pings", *(Frame(PING, b"payload-%d" % i)
                                   for i in range(10)))
    yield Case("2 pings between messages", HELLO, Frame(PING, b"1"), HELLO,
               Frame(PING, b"2"), Frame(PONG, b"3"), binary(b"x"))
    for opcode in (PING, PONG):
        yield Case("2.5 too long", HELLO, bad=frame(opcode, b"\xfe" * 126),
                   code=1002)
        yield Case("2.5 announced too long", HELLO,
                   bad=frame(opcode, length=70000), code=1002)


def reserved_bits():
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
            payload = b"\3\xe8" if opcode == CLOSE else b"x"
            yield Case("3 bits %d opcode %d" % (rsv, opcode), HELLO,
                       bad=frame(opcode, payload, rsv=rsv) + HELLO.bytes +
                       frame(PING), code=1002)
        yield Case("3 bits %d in a fragment" % rsv, HELLO,
                   bad=frame(TEXT, b"x", fin=False) + frame(0, b"y", rsv=rsv),
                   code=1002)


def opcodes():
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for payload in (b"", b"reserved"):
            yield Case("4 opcode %d" % opcode, HELLO,
                       bad=frame(opcode, payload) + HELLO.bytes + frame(PING),
                       code=1002)
            yield Case("4 opcode %d first" % opcode,
                       bad=frame(opcode, payload), code=1002)


def fragments():
    yield Case("5.3 two", text(b"fragment1", fin=False), more(b"fragment2"))
    yield Case("5.6 a ping between", text(b"fragment1", fin=False),
               Frame(PING, b"ping"), more(b"fragment2"))
    yield Case("5.19 pings between five", text(b"1", fin=False),
               more(b"2", fin=False), Frame(PING, b"a"), more(b"3", fin=False),
               more(b"4", fin=False), Frame(PING, b"b"), Frame(PONG, b"c"),
               more(b"5"))
    yield Case("5 empty ones", text(fin=False), more(fin=False), more(),
               binary(fin=False), more(b"x", fin=False), more())
    for opcode in (PING, PONG):
        yield Case("5.1 control in two", HELLO, bad=frame(
            opcode, b"f1", fin=False) + frame(0, b"f2"), code=1002)
    yield Case("5 close in two", HELLO, bad=frame(
        CLOSE, b"\3\xe8", fin=False) + frame(0, b"bye"), code=1002)
    for fin in (True, False):
        yield Case("5.9 nothing to continue", HELLO, bad=frame(
            0, b"x", fin=fin) + HELLO.bytes, code=1002)
        yield Case("5.15 nothing to continue after two",
                   text(b"fragment1", fin=False), more(b"fragment2"),
                   bad=frame(0, b"fragment3", fin=fin) +
                   frame(TEXT, b"fragment4"), code=1002)
        for kind in (TEXT, BINARY):
            for other in (TEXT, BINARY):
                yield Case("5.18 a message in a message", HELLO, bad=frame(
                    kind, b"x", fin=False) + frame(other, b"y", fin=fin),
                           code=1002)


GOOD_TEXTS = (
    "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\0", "\x7f", "\x80", "\u07ff", "\u0800",
    "\uffff", "\U00010000", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd",
    "\ufffe", "\ufdd0", "\U0001fffe", "\U0010fffe", "\ufeffbom",
    "日本語🎉" * 20)

BAD_TEXTS = (
    b"\x80", b"\xbf", b"\x80\xbf\x80\xbf",           # continuation bytes alone
    b"\xc0 ", b"\xe0 ", b"\xf0 ", b"\xc3\xc3",       # first bytes alone
    b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf",        # overlong
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff",   # beyond Unicode
    "κόσμε".encode() + b"\xed\xa0\x80edited",
    b"a" * 300 + b"\xff" + b"b" * 300)
# not whole: bad only when nothing follows
CUT_TEXTS = (b"\xc3", b"\xe0\xa0", b"\xf0\x90\x80", b"\xe2\x82", b"ok\xf4\x8f")


def utf8():
    for sample in GOOD_TEXTS:
        data = sample.encode("utf-8", "surrogatepass")
        yield Case("6 good %r" % sample[:9], text(data))
        yield Case("6 good %r in bytes" % sample[:9],
                   *split(TEXT, data[:60], 1) if len(data) <= 60
                   else split(TEXT, data, 7))
    yield Case("6 control between the bytes of one character",
               text(b"\xe2", fin=False), Frame(PING, b"\xff"),
               more(b"\x82", fin=False), Frame(PONG, b"\xff"), more(b"\xac"))
    yield Case("6 binary is anything", *(binary(b) for b in BAD_TEXTS))
    for data in BAD_TEXTS:
        yield Case("6 bad %r" % data[:12], HELLO, bad=frame(TEXT, data),
                   code=1007)
        # at the bad byte: the message is never whole
        yield Case("6.4 bad %r first" % data[:12], HELLO,
                   bad=frame(TEXT, data, fin=False), code=1007)
        yield Case("6.4 bad %r in fragments" % data[:12], HELLO,
                   bad=b"".join(frame(TEXT if i == 0 else 0, data[i:i + 1],
                                      fin=False)
                                for i in range(len(data))), code=1007)
        yield Case("6.4 bad %r, the rest never comes" % data[:12], HELLO,
                   bad=frame(TEXT, data, length=100000), code=1007)
    for data in CUT_TEXTS:
        yield Case("6 cut %r" % data, HELLO, bad=frame(TEXT, data), code=1007)
        yield Case("6 cut %r in fragments" % data, HELLO,
                   bad=frame(TEXT, data, fin=False) + frame(0), code=1007)


GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
              1014, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000,
             65535)


def closing():
    yield Case("7.1.1 after a message", HELLO)
    yield Case("7.3.1 empty", HELLO, close=b"", answer=b"")
    for code in GOOD_CODES:
        yield Case("7.7 code %d" % code, HELLO, code=code)
        yield Case("7.7 code %d, reason" % code,
                   close=code.to_bytes(2, "big") + "Grüße".encode())
    yield Case("7.3.5 the longest reason", close=b"\3\xe8" + b"*" * 123)
    for code in BAD_CODES:
        for reason in (b"", b"reason"):
            yield Case("7.9 code %d" % code, HELLO, bad=frame(
                CLOSE, code.to_bytes(2, "big") + reason), code=1002)
    yield Case("7.3.2 one byte", HELLO, bad=frame(CLOSE, b"\3"), code=1002)
    yield Case("7.3.6 too long", HELLO, bad=frame(
        CLOSE, b"\3\xe8" + b"*" * 124), code=1002)
    for reason in (b"\xff", b"\xc3", b"\xed\xa0\x80", "κόσμε".encode() +
                   b"\xed\xa0\x80edited"):
        yield Case("7.5.1 bad reason", HELLO, bad=frame(
            CLOSE, b"\3\xe8" + reason), code=1007)


def limits():
    limit = "read_limit = 1000"
    for kind in (TEXT, BINARY):
        yield Case("9 exactly the limit", Frame(kind, b"x" * 1000),
                   *split(kind, b"y" * 1000, 300), options=limit)
        yield Case("9 one more", HELLO, bad=frame(kind, b"x" * 1001),
                   code=1009, options=limit)
        yield Case("9 announced", HELLO, bad=frame(kind, length=1001),
                   code=1009, options=limit)
        yield Case("9 one more in fragments", HELLO, bad=frame(
            kind, b"x" * 999, fin=False) + frame(0, b"xx", fin=False),
                   code=1009, options=limit)
        yield Case("9 far more", HELLO, bad=frame(kind, length=1 << 62),
                   code=1009)


LARGE = 16 << 20


def large():
    together = {"manners": (TOGETHER, FRAMES),
                "options": "read_limit = %d" % LARGE}
    data = bytes(range(256)) * (LARGE // 256)
    yield Case("9.1 16 MiB of text", text(b"*" * LARGE), manners=[FRAMES],
               options=together["options"])
    yield Case("9.2 16 MiB", binary(data), manners=[FRAMES],
               options=together["options"])
    yield Case("9.4 16 MiB in fragments of 64 KiB",
               *split(BINARY, data, 65536), manners=[TOGETHER],
               options=together["options"])
    yield Case("9.3 100,000 fragments", *split(TEXT, b"0123456789" * 10000, 1),
               **dict(together, manners=[TOGETHER]))
    yield Case("9.7 1000 messages", *(text(b"%d" % i) for i in range(1000)),
               **together)
    yield Case("10.1 fragments of 1300", *split(TEXT, b"*" * 65536, 1300),
               **together)


class Packer:
    """What a server compresses with: |bits| of window, kept or not."""

    def __init__(self, bits=15, takeover=True, level=9):
        self.bits = bits
        self.takeover = takeover
        self.level = level
        self.z = None

    def pack(self, data):
        if not self.z or not self.takeover:
            self.z = zlib.compressobj(self.level, zlib.DEFLATED, -self.bits)
        return (self.z.compress(data) +
                self.z.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def message(self, kind, data, size=None):
        """In frames of |size| bytes; the payload is told by the last."""
        packed = self.pack(data)
        size = size or max(len(packed), 1)
        parts = [packed[i:i + size] for i in range(0, len(packed), size)]
        last = len(parts) - 1
        return [Frame(kind if i == 0 else 0, data if i == last else b"",
                      fin=i == last, rsv=4 if i == 0 else 0, packed=part)
                for i, part in enumerate(parts)]


DEFLATE = "permessage-deflate"
TAKEOVER = "compression = 'context_takeover', compression_threshold = 0"
NO_CONTEXT = "compression = 'no_context_takeover', compression_threshold = 0"

# (options, answer, the server's packer, what the client packs with)
AGREED = (
    (TAKEOVER, DEFLATE, {}, (15, True)),
    (TAKEOVER, DEFLATE + "; server_no_context_takeover",
     {"takeover": False}, (15, True)),
    (TAKEOVER, DEFLATE + "; client_no_context_takeover", {}, (15, False)),
    (TAKEOVER, DEFLATE + "; server_max_window_bits=9", {"bits": 9},
     (15, True)),
    (TAKEOVER, DEFLATE + "; client_max_window_bits=9", {}, (9, True)),
    (TAKEOVER, DEFLATE + '; server_max_window_bits="12" ; '
     "client_max_window_bits=10;client_no_context_takeover",
     {"bits": 12}, (10, False)),
    (NO_CONTEXT, DEFLATE + "; server_no_context_takeover; "
     "client_no_context_takeover", {"takeover": False}, (15, False)),
    (NO_CONTEXT, DEFLATE + "; server_no_context_takeover",
     {"takeover": False}, (15, False)),
)
WORDS = b'{"id": 17, "name": "some words that come again"} '


def compressed():
    for options, answer, packer, inflate in AGREED:
        both = {"options": options, "extension": answer, "inflate": inflate}
        p = Packer(**packer)
        frames = []
        for size in (0, 1, 16, 64, 256, 1024, 4096, 8192, 32768, 131072):
            for kind in (TEXT, BINARY):
                data = (WORDS * (size // len(WORDS) + 1))[:size]
                frames += p.message(kind, data)
        yield Case("12, 13 " + answer, *frames, manners=(TOGETHER, FRAMES),
                   **both)
        p = Packer(**packer)
        frames = []
        for size in (1, 7, 100):
            frames += p.message(TEXT, WORDS * 40, size)
            frames += [text(b"not compressed"), Frame(PING, b"p")]
            first = p.message(BINARY, WORDS[::-1] * 9, size)
            first.insert(1, Frame(PING, b"between"))
            frames += first
        yield Case("12, 13 fragments " + answer, *frames, **both)
    on = {"options": TAKEOVER, "extension": DEFLATE, "inflate": (15, True)}
    for level in (0, 1):
        yield Case("12 level %d" % level,
                   *Packer(level=level).message(BINARY, bytes(range(256)) * 300),
                   manners=[FRAMES], **on)
    # RFC 7692, section 7.2.3: other ways to say the same
    hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
    for name, packed in (
            ("fixed", hello),
            ("stored", b"\0\5\0\xfa\xffHello\0"),
            ("a final block", b"\xf3\x48\xcd\xc9\xc9\x07\0\0"),
            ("two blocks", b"\xf2\x48\5\0\0\0\xff\xff\xca\xc9\xc9\7\0")):
        yield Case("12 " + name, Frame(TEXT, b"Hello", rsv=4, packed=packed),
                   **on)
    yield Case("12 nothing", Frame(TEXT, b"", rsv=4, packed=b"\0"), **on)
    good = Packer().message(TEXT, b"good")

    def bad(name, data, code, **kw):
        return Case("12 " + name, *good, bad=data, code=code,
                    **dict(on, **kw))
    yield bad("not deflate", frame(TEXT, b"\x07garbage", rsv=4), 1007)
    yield bad("a bad length of a stored block",
              frame(TEXT, b"\0\5\0\5\0Hello\0", rsv=4), 1007)
    yield bad("a distance too far", frame(BINARY, zlib_far(), rsv=4), 1007)
    yield bad("cut off", frame(BINARY, Packer().pack(b"x" * 99)[:-2], rsv=4),
              1007)
    yield bad("bad UTF-8 inside", frame(TEXT, Packer().pack(b"ok\xff"), rsv=4),
              1007)
    yield bad("half a character", frame(TEXT, Packer().pack(b"ok\xe2"), rsv=4),
              1007)
    yield bad("bad UTF-8 before the end", frame(
        TEXT, Packer().pack(b"\xff" * 9), rsv=4, fin=False), 1007)
    for opcode in (PING, PONG, CLOSE):
        yield bad("the bit on opcode %d" % opcode,
                  frame(opcode, b"\3\xe8", rsv=4), 1002)
    yield bad("the bit on a fragment", frame(
        TEXT, hello[:2], rsv=4, fin=False) + frame(0, hello[2:], rsv=4), 1002)
    yield bad("another bit", frame(TEXT, hello, rsv=6), 1002)
    yield bad("a bomb", frame(BINARY, Packer().pack(b"\0" * (4 << 20)), rsv=4),
              1009, options=TAKEOVER + ", read_limit = 100000")
    yield bad("one byte more than the limit",
              frame(BINARY, Packer().pack(b"\0" * 1001), rsv=4), 1009,
              options=TAKEOVER + ", read_limit = 1000")
    # what was agreed is kept
    first = Packer(takeover=False).message(BINARY, WORDS * 4)
    q = Packer()
    q.pack(WORDS * 4)
    yield Case("13 a context that was given up", *first,
               bad=frame(BINARY, q.pack(WORDS * 4), rsv=4), code=1007,
               options=NO_CONTEXT, inflate=(15, False),
               extension=DEFLATE + "; server_no_context_takeover")


def zlib_far():
    """A match that reaches back before the first byte."""
    z = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=WORDS)
    return (z.compress(WORDS) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Rules(PeerTest):
    def test_framing(self):
        play(self, list(framing()))

    def test_pings_and_pongs(self):
        play(self, list(pings()))

    def test_reserved_bits(self):
        play(self, list(reserved_bits()))

    def test_opcodes(self):
        play(self, list(opcodes()))

    def test_fragments(self):
        play(self, list(fragments()))

    def test_utf8(self):
        play(self, list(utf8()))

    def test_closing(self):
        play(self, list(closing()))

    def test_limits(self):
        play(self, list(limits()))

    def test_large(self):
        play(self, list(large()))

    def test_compression(self):
        play(self, list(compressed()))

    def test_over_tls(self):
        # what lies between socket and frames is another: a part is enough
        certificates = Certificates.get()
        cases = [c for table in (framing, fragments, closing, compressed)
                 for c in list(table())[::3]]
        play(self, cases, certificates.context(),
             ["--ca", certificates.ca])


if __name__ == "__main__":
    main()
