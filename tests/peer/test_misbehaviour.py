"""Servers that misbehave, mostly after they have behaved: what came before is
delivered, what follows is not, and the script hears what it was."""

import os
import socket
import struct
import time
import unittest
import zlib

import fault_server
from peer import (PeerTest, RawServer, frame, main, policy_for, read_frame,
                  read_head, switching)

LISTEN = """
local websocket = require "websocket"
for i = 1, tonumber(arg[2]) do
  local client, err = websocket.connect(("%s/%d"):format(arg[1], i), {
    compression = "context_takeover", read_limit = 1000000,
    compression_threshold = 0})
  local got = {}
  if client then
    local ch = client:channel()
    client:send("hello")
    while true do
      local msg, ok = ch:receive()
      if not ok then break end
      got[#got + 1] = #msg.data
      if msg.data == "close" then client:close(4001, "ours") end
    end
    local info = client:close_info()
    print(i, table.concat(got, " "), info.code, info.clean)
  else
    print(i, err:details().stage, err:details().reason, "")
  end
end
"""

LONG = b"x" * 65536
AGAIN = frame(1, LONG)
HALF = os.urandom(40000)


def deflated(text, bits=15, z=None):
    z = z or zlib.compressobj(9, zlib.DEFLATED, -bits)
    return frame(2, (z.compress(text) + z.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4)


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    peer.close()


def cut(data):
    """Sends it and hangs up."""
    def serve(peer):
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass
    return serve


def dribble(data, pieces):
    """Sends it in pieces of these sizes, with pauses."""
    def serve(peer):
        at = 0
        for n in pieces + [len(data)]:
            peer.sendall(data[at:at + n])
            at += n
            time.sleep(0.01)
    return serve


def urgent(peer):
    peer.sendall(AGAIN[:30000])
    peer.send(b"!", socket.MSG_OOB)  # is not part of the stream
    peer.sendall(AGAIN[30000:] + frame(8, b"\3\xe8"))


def says_goodbye_and_resets(peer):
    peer.sendall(frame(1, b"bye") + frame(8, b"\3\xe8"))
    read_frame(peer)  # "hello"
    while read_frame(peer)[0] != 8:
        pass
    reset(peer)


def answers_otherwise(peer):
    peer.sendall(frame(1, b"close"))
    while read_frame(peer)[0] != 8:
        pass
    peer.sendall(frame(1, b"late") + frame(8, b"\x0f\xa2theirs"))


def answers_with_nonsense(peer):
    peer.sendall(frame(1, b"close"))
    while read_frame(peer)[0] != 8:
        pass
    peer.sendall(frame(3, b"?"))


def talks_on_after_goodbye(peer):
    peer.sendall(frame(8, b"\x0f\xa0"))
    for _ in range(200):
        peer.sendall(AGAIN)


def old_context():
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflated(HALF, z=z) + deflated(HALF[-3000:], z=z)


def window(bits):
    """Points back further than 512 bytes."""
    text = HALF[:2000]
    return deflated(text + text, bits)


PMD = "Sec-WebSocket-Extensions: permessage-deflate"

# what is sent, what the script sees, more lines of the answer
CASES = (
    ("one, and half of another", cut(AGAIN + AGAIN[:40000]),
     "65536\t1006\tfalse"),
    ("one, and half of another's header", cut(AGAIN + AGAIN[:7]),
     "65536\t1006\tfalse"),
    ("one, and another that is masked",
     AGAIN + b"\x81\xff" + AGAIN[2:10] + b"\0\0\0\0" + LONG,
     "65536\t1002\tfalse"),
    ("one, and another with a reserved bit", AGAIN + b"\x91" + AGAIN[1:],
     "65536\t1002\tfalse"),
    ("one, and another that is no text at its end",
     AGAIN + AGAIN[:-1] + b"\xff", "65536\t1007\tfalse"),
    ("one, and another whose length is not minimal",
     AGAIN + b"\x82\x7f" + struct.pack("!Q", 65535) + LONG,
     "65536\t1002\tfalse"),
    ("one, and another that is endless",
     AGAIN + b"\x82\x7f" + struct.pack("!Q", 1 << 40) + LONG,
     "65536\t1009\tfalse"),
    ("one, and another whose limit is passed by a fragment",
     AGAIN + frame(2, LONG, fin=False) + frame(0, length=934465) + LONG,
     "65536\t1009\tfalse"),
    ("one, and one in another",
     AGAIN + frame(1, LONG, fin=False) + AGAIN, "65536\t1002\tfalse"),
    ("one, and the rest of nothing", AGAIN + b"\x80" + AGAIN[1:],
     "65536\t1002\tfalse"),
    ("one, a ping of that length's form",
     AGAIN + b"\x89\x7f" + struct.pack("!Q", 65536) + LONG,
     "65536\t1002\tfalse"),
    ("headers that come in two",
     dribble(AGAIN * 3 + frame(8, b"\3\xe8"),
             [65546, 1, 65545, 5, 65541, 2]),
     "65536 65536 65536\t1000\ttrue"),
    ("fragments and pings of all lengths",
     AGAIN + frame(2, LONG, fin=False) + frame(9, b"p" * 125) +
     frame(0, b"", fin=False) + frame(0, LONG, fin=False) + frame(10) +
     frame(0, b"y") + frame(1, b"") + AGAIN + frame(8),
     "65536 131073 0 65536\t1005\ttrue"),
    ("urgent bytes", urgent, "65536\t1000\ttrue"),
    ("two goodbyes", frame(8, b"\x0f\xa0") + frame(8, b"\x0f\xa1"),
     "\t4000\ttrue"),
    ("a goodbye cut in a character",
     frame(8, b"\3\xe8" + "ñ".encode() * 61 + b"\xc3"), "\t1007\tfalse"),
    ("talk after the goodbye", talks_on_after_goodbye, "\t4000\ttrue"),
    ("a goodbye, and a reset", says_goodbye_and_resets, "3\t1000\ttrue"),
    ("another code for an answer", answers_otherwise, "5 4\t4002\ttrue"),
    ("nonsense for an answer", answers_with_nonsense, "5\t1002\tfalse"),
    ("its answer twice", switching, "\t1002\tfalse"),
    ("a page after its answer", b"HTTP/1.1 200 OK\r\n\r\n", "\t1002\tfalse"),
    ("compressed though it was not agreed on", deflated(b"text"),
     "\t1002\tfalse"),
    ("compressed in a continuation",
     frame(1, b"x", fin=False) + frame(0, deflated(b"text")[2:], rsv=4),
     "\t1002\tfalse", PMD),
    ("a context that was given up", old_context(), "40000\t1007\tfalse",
     PMD + "; server_no_context_takeover"),
    ("a context that was not", old_context() + frame(8),
     "40000 3000\t1005\ttrue", PMD),
    ("a window beyond what was agreed on", window(15), "\t1007\tfalse",
     PMD + "; server_max_window_bits=9"),
    ("a window up to what was agreed on", window(12) + frame(8),
     "4000\t1005\ttrue", PMD + "; server_max_window_bits=12"),
    ("one, and one compressed that says it is as long",
     AGAIN + b"\xc1" + AGAIN[1:], "65536\t1007\tfalse", PMD),
    ("one, one compressed, one", AGAIN + deflated(HALF) + AGAIN + frame(8),
     "65536 40000 65536\t1005\ttrue", PMD),
)


class Misbehaviour(PeerTest):
    def test_all(self):
        cases = [case + ("",) * (4 - len(case)) for case in CASES]

        def serve(peer):
            line, fields = read_head(peer)
            _, data, _, more = cases[fault_server.asked(line) - 1]
            peer.sendall(switching(fields, more and more + "\r\n"))
            if data is switching:
                data = switching(fields)
            if isinstance(data, bytes):
                peer.sendall(data)
            else:
                data(peer)
            while peer.fileno() >= 0 and peer.recv(65536):
                pass
        server = self.enter(RawServer(serve))
        outcome = self.check(LISTEN, server.url, str(len(cases)),
                             policy=policy_for(server.url + "/*"))
        for i, (name, _, want, _) in enumerate(cases, 1):
            with self.subTest(name):
                self.assertEqual(outcome.lines[i - 1], "%d\t%s" % (i, want))
        self.assertEqual(server.errors, [])


if __name__ == "__main__":
    main()
