"""What the peer tests share: running cordon, and servers for it to talk to.

Servers listen on the loopback interface, on ports that the kernel picks, and
write down what they saw.  Everything is gone when a test has ended.
"""

import asyncio
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))
from patience import LIMIT_S, patiently  # noqa: E402, F401

CORDON = os.path.abspath(
    os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon"))
# Every test holds in both levels: run.py names each in turn.
ISOLATION = os.environ.get("CORDON_TEST_ISOLATION")

POLICY = """\
version: "1.0"
namespace: test
entries:
  - name: peer
    kind: security.policy
    policy:
      actions: [websocket.connect, websocket.connect.url]
      resources: ["", %s]
      effect: allow
"""


def policy_for(*patterns):
    return POLICY % ", ".join('"%s"' % p for p in patterns)


class Outcome:
    """How a run of cordon ended."""

    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    @property
    def lines(self):
        return self.out.splitlines()

    def __repr__(self):
        return "status %s\n--- stdout\n%s--- stderr\n%s" % (
            self.status, self.out, self.err)


class PeerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cordon-peer-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def start(self, script, *args, policy=None, options=(), command="run"):
        """Starts `cordon run` of the text |script|."""
        words = [CORDON, command]
        if command == "run" and ISOLATION:
            words += ["--isolation", ISOLATION]
        if policy is not None:
            words += ["-p", self.write("policy.yaml", policy)]
        words += [*options, self.write("script.lua", script), *args]
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=self.folder)
        self.addCleanup(self.reap, process)
        return process

    @staticmethod
    def reap(process):
        if process.poll() is None:
            process.kill()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
        process.wait()

    def finish(self, process):
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.kill()
            out, err = process.communicate()
            self.fail("still running after %d s\n%s\n%s" % (
                LIMIT_S, out.decode("utf-8", "replace"),
                err.decode("utf-8", "replace")))
        outcome = Outcome(process.returncode, out.decode("utf-8", "replace"),
                          err.decode("utf-8", "replace"))
        for sign in ("Sanitizer", "runtime error:"):
            self.assertNotIn(sign, outcome.err)
        return outcome

    def cordon(self, script, *args, **kw):
        return self.finish(self.start(script, *args, **kw))

    def check(self, script, *args, status=0, out=None, **kw):
        """Runs, and expects a status and lines on stdout."""
        outcome = self.cordon(script, *args, **kw)
        self.assertEqual(outcome.status, status, outcome)
        if out is not None:
            self.assertEqual(outcome.lines, out, outcome)
        return outcome

    def enter(self, server):
        server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        return server


def descriptors(test, want):
    """How many files may be open from now on, |want| if that can be had."""
    limits = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= want:
        return want
    if hard != resource.RLIM_INFINITY:
        want = min(want, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))
    test.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
    return want


class NobodyListens:
    """A port that refuses connections: taken, so that nobody else can, but not
    listened on."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.url = "ws://localhost:%d" % self.port
        return self

    def __exit__(self, *_):
        self.socket.close()


def wait_until(condition, what, limit_s=LIMIT_S):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.01)


# ------------------------------------------------------------- servers ---


class WebSocketServer:
    """python3-websockets in a thread.  |handler| is a coroutine that gets the
    connection; the default sends everything back."""

    def __init__(self, handler=None, tls=None, **options):
        self.handler = handler or self.echo
        self.tls = tls
        self.options = dict(dict(
            ping_interval=None, max_size=None, compression=None,
            close_timeout=LIMIT_S, backlog=1024), **options)
        self.requests = []  # (path, headers)
        self.closes = []    # (code, reason) as the server saw it
        self.received = []
        self.errors = []
        self.ready = threading.Event()

    @property
    def url(self):
        return "%s://localhost:%d" % ("wss" if self.tls else "ws", self.port)

    async def echo(self, ws):
        async for message in ws:
            self.received.append(message)
            await ws.send(message)

    async def serve(self, ws, path=None):
        import websockets
        self.requests.append((ws.path, ws.request_headers))
        try:
            await self.handler(ws)
        except websockets.ConnectionClosed:
            pass
        except Exception as e:  # the test looks at it
            self.errors.append(e)
            raise
        finally:
            try:
                await ws.close()
            except websockets.ConnectionClosed:
                pass
            await ws.wait_closed()
            self.closes.append((ws.close_code, ws.close_reason))

    def __enter__(self):
        self.thread = threading.Thread(target=self.main, daemon=True)
        self.thread.start()
        if not self.ready.wait(LIMIT_S):
            raise AssertionError("the server does not start")
        return self

    def main(self):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.live())
        self.loop.close()

    async def live(self):
        import websockets
        self.stop = asyncio.Event()
        server = await websockets.serve(
            self.serve, "127.0.0.1", 0, ssl=self.tls, **self.options)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self.stop.wait()
        server.close()
        await server.wait_closed()

    def __exit__(self, *_):
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.stop.set)
            self.thread.join(LIMIT_S)


class RawServer:
    """A TCP server whose every connection is handed to |handler|(socket), in a
    thread of its own.  With |tls|, after the TLS handshake."""

    def __init__(self, handler, tls=None):
        self.handler = handler
        self.tls = tls
        self.accepted = 0
        self.errors = []

    @property
    def url(self):
        return "%s://localhost:%d" % ("wss" if self.tls else "ws", self.port)

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.open = []
        threading.Thread(target=self.main, daemon=True).start()
        return self

    def main(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            self.accepted += 1
            self.open.append(peer)
            threading.Thread(target=self.one, args=(peer,),
                             daemon=True).start()

    def one(self, peer):
        peer.settimeout(LIMIT_S)
        try:
            if self.tls:
                peer = self.tls.wrap_socket(peer, server_side=True)
            self.handler(peer)
        except (OSError, ssl.SSLError):
            pass
        except Exception as e:
            self.errors.append(e)
        finally:
            peer.close()

    def __exit__(self, *_):
        # close alone would leave accept waiting
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for peer in self.open:
            peer.close()


def read_head(peer):
    """The request up to the empty line, and its fields in lower case."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(4096)
        if not piece:
            raise ConnectionError("closed in the request")
        data += piece
    head = data.split(b"\r\n\r\n")[0].decode()
    lines = head.split("\r\n")
    fields = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        fields[name.lower()] = value.strip()
    return lines[0], fields


def accept_key(key):
    import base64
    import hashlib
    magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
    return base64.b64encode(
        hashlib.sha1((key + magic).encode()).digest()).decode()


def switching(fields, extra=""):
    return ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n"
            % (accept_key(fields["sec-websocket-key"]), extra)).encode()


def frame(opcode, payload=b"", fin=True, rsv=0, masked=False, length=None):
    """A frame as a server sends it; |length| lies about the payload."""
    import struct
    n = len(payload) if length is None else length
    first = (0x80 if fin else 0) | (rsv << 4) | opcode
    mask = 0x80 if masked else 0
    if n < 126:
        head = struct.pack("!BB", first, mask | n)
    elif n < 65536:
        head = struct.pack("!BBH", first, mask | 126, n)
    else:
        head = struct.pack("!BBQ", first, mask | 127, n)
    if masked:
        head += b"\0\0\0\0"
    return head + payload


def read_frame(peer):
    """(opcode, payload) of the next frame of a client, unmasked."""
    def exactly(n):
        data = b""
        while len(data) < n:
            piece = peer.recv(n - len(data))
            if not piece:
                raise ConnectionError("closed in a frame")
            data += piece
        return data
    first, second = exactly(2)
    if not second & 0x80:
        raise AssertionError("a client's frame without a mask")
    n = second & 0x7F
    if n == 126:
        n = int.from_bytes(exactly(2), "big")
    elif n == 127:
        n = int.from_bytes(exactly(8), "big")
    mask = exactly(4)
    data = exactly(n)
    return first & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(data))


class ProcessServer:
    """A server program that prints its port as the first line."""

    def __init__(self, words, env=None):
        self.words = words
        self.env = env

    def __enter__(self):
        self.process = subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            env=self.env)
        line = self.process.stdout.readline()
        if not line.strip().isdigit():
            self.__exit__()
            raise AssertionError("%s does not start" % self.words[0])
        self.port = int(line)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()


class Nginx:
    """Terminates TLS in front of |upstream_port|."""

    def __init__(self, folder, upstream_port, certificate, key):
        self.folder = os.path.join(folder, "nginx")
        self.upstream_port = upstream_port
        self.certificate = certificate
        self.key = key

    CONF = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name localhost;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $host;
    }}
    location /nothing {{ return 404; }}
  }}
}}
"""

    def __enter__(self):
        os.makedirs(self.folder)
        # its workers are nobody's: they must reach the folder
        os.chmod(os.path.dirname(self.folder), 0o755)
        # nginx cannot say which port it was given: it gets a socket that
        # listens already, as it hands them to a new version of itself
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            self.port = listener.getsockname()[1]
            conf = os.path.join(self.folder, "nginx.conf")
            with open(conf, "w") as f:
                f.write(self.CONF.format(
                    folder=self.folder, port=self.port,
                    upstream=self.upstream_port, key=self.key,
                    certificate=self.certificate))
            self.process = subprocess.Popen(
                [shutil.which("nginx") or "/usr/sbin/nginx", "-p",
                 self.folder, "-c", conf, "-e", self.folder + "/error.log"],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=dict(os.environ, NGINX="%d;" % listener.fileno()),
                pass_fds=[listener.fileno()])
        # with ours closed, a connection is accepted by nginx or by nobody
        try:
            with socket.create_connection(("127.0.0.1", self.port),
                                          LIMIT_S) as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")  # plain: refused
                if s.recv(1):
                    return self
        except OSError:
            pass
        self.__exit__()
        with open(self.folder + "/error.log") as f:
            raise AssertionError("nginx does not start: " + f.read())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


# -------------------------------------------------------- certificates ---


class Certificates:
    """A certificate authority and what it signed, made by openssl once."""

    instance = None

    @classmethod
    def get(cls):
        if not cls.instance:
            cls.instance = cls()
        return cls.instance

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="cordon-ca-")
        self.ca = self.path("ca.pem")
        self.openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            self.path("ca.key"), "-out", self.ca, "-days", "30", "-subj",
            "/CN=cordon test CA", "-addext",
            "basicConstraints=critical,CA:TRUE", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign")
        self.make("localhost", "DNS:localhost,IP:127.0.0.1,IP:::1")
        self.make("other", "DNS:other.example")
        self.make("expired", "DNS:localhost", "-days", "-1")
        import atexit
        atexit.register(shutil.rmtree, self.folder, True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, cwd=self.folder)

    def make(self, name, names, *days):
        with open(self.path(name + ".ext"), "w") as f:
            f.write("subjectAltName=%s\nbasicConstraints=CA:FALSE\n" % names)
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     self.path(name + ".key"), "-out",
                     self.path(name + ".csr"), "-subj", "/CN=" + name)
        self.openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA",
                     self.ca, "-CAkey", self.path("ca.key"),
                     "-CAcreateserial", "-out", self.path(name + ".pem"),
                     "-extfile", self.path(name + ".ext"),
                     *(days or ("-days", "20")))

    def context(self, name="localhost"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(name + ".pem"),
                                self.path(name + ".key"))
        return context


def main():
    if not os.access(CORDON, os.X_OK):
        raise SystemExit("%s is not built" % CORDON)
    unittest.main(verbosity=1)
