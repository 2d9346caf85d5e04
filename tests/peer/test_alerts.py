"""TLS alerts in an open session, which no server's library sends by itself: the
records after the handshake are sealed here, with the keys of the session."""

import ctypes
import ctypes.util
import hmac
import os
import ssl
import struct
import unittest

from peer import (Certificates, PeerTest, RawServer, frame, main, policy_for,
                  read_head, switching)

CRYPTO = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
for name in "EVP_CIPHER_CTX_new", "EVP_aes_256_gcm":
    getattr(CRYPTO, name).restype = ctypes.c_void_p
GET_TAG = 0x10  # EVP_CTRL_AEAD_GET_TAG

APPLICATION, ALERT = 23, 21
WARNING, FATAL = 1, 2
CLOSE_NOTIFY, USER_CANCELED, NO_RENEGOTIATION = 0, 90, 100
UNRECOGNIZED_NAME = 112

LISTEN = """
local websocket = require "websocket"
local client = assert(websocket.connect(arg[1]))
local ch, got = client:channel(), {}
while true do
  local msg, ok = ch:receive()
  if not ok then break end
  got[#got + 1] = msg.data
end
local info = client:close_info()
print(table.concat(got, " "), info.code, info.clean)
"""


def seal(key, nonce, aad, text):
    """AES-256-GCM"""
    ctx = ctypes.c_void_p(CRYPTO.EVP_CIPHER_CTX_new())
    out, n = ctypes.create_string_buffer(len(text) + 16), ctypes.c_int()
    tag = ctypes.create_string_buffer(16)
    ok = CRYPTO.EVP_EncryptInit_ex(
        ctx, ctypes.c_void_p(CRYPTO.EVP_aes_256_gcm()), None, key, nonce)
    ok &= CRYPTO.EVP_EncryptUpdate(ctx, None, ctypes.byref(n), aad, len(aad))
    ok &= CRYPTO.EVP_EncryptUpdate(ctx, out, ctypes.byref(n), text, len(text))
    length = n.value
    ok &= CRYPTO.EVP_EncryptFinal_ex(
        ctx, ctypes.byref(out, length), ctypes.byref(n))
    ok &= CRYPTO.EVP_CIPHER_CTX_ctrl(ctx, GET_TAG, 16, tag)
    CRYPTO.EVP_CIPHER_CTX_free(ctx)
    assert ok == 1
    return out.raw[:length] + tag.raw


def expand_label(secret, label, length):
    """RFC 8446, section 7.1; one block is enough."""
    label = b"tls13 " + label
    info = struct.pack("!HB", length, len(label)) + label + b"\0"
    return hmac.digest(secret, info + b"\1", "sha384")[:length]


def prf(secret, label, seed, length):
    """RFC 5246, section 5"""
    seed, a, out = label + seed, label + seed, b""
    while len(out) < length:
        a = hmac.digest(secret, a, "sha384")
        out += hmac.digest(secret, a + seed, "sha384")
    return out[:length]


class Sealer:
    """What the server sends after the handshake."""

    def __init__(self, peer, old, secrets, server_random):
        self.peer = peer
        self.old = old
        if old:
            client_random, master = secrets["CLIENT_RANDOM"]
            keys = prf(master, b"key expansion", server_random + client_random,
                       72)
            self.key, self.iv = keys[32:64], keys[68:72]
            self.sequence = 1  # Finished was 0
        else:
            _, secret = secrets["SERVER_TRAFFIC_SECRET_0"]
            self.key = expand_label(secret, b"key", 32)
            self.iv = expand_label(secret, b"iv", 12)
            self.sequence = 0

    def send(self, kind, data):
        number = struct.pack("!Q", self.sequence)
        self.sequence += 1
        if self.old:
            aad = number + struct.pack("!BHH", kind, 0x303, len(data))
            body = number + seal(self.key, self.iv + number, aad, data)
            self.peer.sendall(
                struct.pack("!BHH", kind, 0x303, len(body)) + body)
            return
        data += bytes([kind])
        head = struct.pack("!BHH", APPLICATION, 0x303, len(data) + 16)
        nonce = bytes(a ^ b for a, b in zip(self.iv, b"\0" * 4 + number))
        self.peer.sendall(head + seal(self.key, nonce, head, data))


class Handshake:
    """Over memory, so that what goes over the wire can be seen."""

    def __init__(self, peer, context):
        self.peer = peer
        self.come, self.go = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.come, self.go, server_side=True)
        self.first = b""
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.more()

    def flush(self):
        data = self.go.read()
        self.first = self.first or data
        if data:
            self.peer.sendall(data)

    def more(self):
        data = self.peer.recv(65536)
        if not data:
            raise ConnectionError("closed")
        self.come.write(data)

    def recv(self, n):
        while True:
            try:
                return self.tls.read(n)
            except ssl.SSLWantReadError:
                self.more()


class Alerts(PeerTest):
    def listen(self, old, alerts):
        certificates = Certificates.get()
        context = certificates.context()
        context.num_tickets = 0
        if old:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.options |= ssl.OP_NO_TICKET
            context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384:"
                                "ECDHE-ECDSA-AES256-GCM-SHA384")
        keys = os.path.join(self.folder,
                            "keys-%d" % len(os.listdir(self.folder)))
        context.keylog_filename = keys

        def serve(peer):
            shaken = Handshake(peer, context)
            secrets = {}
            with open(keys) as f:
                for line in f:
                    if line[0] != "#":
                        label, random, secret = line.split()
                        secrets[label] = (bytes.fromhex(random),
                                          bytes.fromhex(secret))
            out = Sealer(peer, old, secrets, shaken.first[11:43])
            out.send(APPLICATION, switching(read_head(shaken)[1]))
            out.send(APPLICATION, frame(1, b"before"))
            for alert in alerts:
                out.send(ALERT, bytes(alert))
            out.send(APPLICATION, frame(1, b"behind") + frame(8, b"\3\xe8"))
            while shaken.recv(4096):
                pass
        server = self.enter(RawServer(serve))
        url = "wss://localhost:%d/x" % server.port
        out = self.check(LISTEN, url, policy=policy_for(url),
                         options=["--ca", certificates.ca]).out
        self.assertEqual(server.errors, [])
        return out.strip()

    GONE = "before\t1006\tfalse"
    ON = "before behind\t1000\ttrue"

    def test_alerts(self):
        for old, alerts, want in (
                (False, [], self.ON),
                (True, [], self.ON),
                (False, [(WARNING, USER_CANCELED)], self.ON),
                (True, [(WARNING, USER_CANCELED)], self.ON),
                (True, [(WARNING, UNRECOGNIZED_NAME)] * 3, self.ON),
                (False, [(WARNING, USER_CANCELED)] * 100, self.GONE),
                (True, [(WARNING, USER_CANCELED)] * 100, self.GONE),
                (True, [(WARNING, NO_RENEGOTIATION)], self.GONE),
                (False, [(WARNING, UNRECOGNIZED_NAME)], self.GONE),
                (False, [(WARNING, CLOSE_NOTIFY)], self.GONE),
                (True, [(WARNING, CLOSE_NOTIFY)], self.GONE),
                (False, [(FATAL, 80)], self.GONE),
                (True, [(FATAL, 80)], self.GONE),
                (False, [(3, 0)], self.GONE),
                (True, [(3, 0)], self.GONE),
                (False, [(WARNING,)], self.GONE),
                (True, [(WARNING,)], self.GONE),
                (True, [(WARNING, USER_CANCELED) * 2], self.GONE)):
            with self.subTest(old=old, alerts=alerts[:2]):
                self.assertEqual(self.listen(old, alerts), want)


if __name__ == "__main__":
    main()
