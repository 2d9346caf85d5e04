"""Against node-ws, with and without compression on either side, and behind
nginx, which speaks TLS for it."""

import os
import unittest

from peer import (Certificates, Nginx, PeerTest, ProcessServer, main,
                  policy_for)

SERVER = r"""
const {WebSocketServer} = require('ws');
const server = new WebSocketServer({
  host: '127.0.0.1', port: 0, perMessageDeflate: process.argv[2] === 'deflate',
  maxPayload: 0,
});
server.on('listening', () => console.log(server.address().port));
server.on('connection', (socket, request) => {
  socket.on('message', (data, binary) => {
    if (!binary && data.toString() === 'headers')
      socket.send(JSON.stringify(request.headers));
    else if (!binary && data.toString() === 'extensions')
      socket.send(socket.extensions || 'none');
    else if (!binary && data.toString() === 'ping')
      socket.ping('payload');
    else if (!binary && data.toString() === 'bye')
      socket.close(4001, 'as you wish');
    else
      socket.send(data, {binary});
  });
  socket.on('pong', (data) => socket.send('pong ' + data));
});
"""


class Node(PeerTest):
    def talk(self, *arguments, mode="disabled", agreed="none", nginx=False):
        env = dict(os.environ, NODE_PATH="/usr/share/nodejs")
        server = self.enter(ProcessServer(
            ["node", self.write("server.js", SERVER), *arguments], env))
        url = "ws://localhost:%d/node" % server.port
        options = []
        if nginx:
            certificates = Certificates.get()
            front = self.enter(Nginx(
                self.folder, server.port, certificates.path("localhost.pem"),
                certificates.path("localhost.key")))
            url = "wss://localhost:%d/node" % front.port
            options = ["--ca", certificates.ca]
        self.check("""
            local websocket = require "websocket"
            local json = require "json"
            local client = assert(websocket.connect(arg[1], {
              headers = {["X-Name"] = "Wert"}, compression = arg[2],
              compression_threshold = 0}))
            local ch = client:channel()
            local function ask(text, kind)
              assert(client:send(text, kind))
              local msg, ok = ch:receive()
              assert(ok)
              return msg.data, msg.type
            end
            assert((ask "Grüße, 世界") == "Grüße, 世界")
            local data = ("\\0\\1\\xff"):rep(200000)
            local back, kind = ask(data, websocket.BINARY)
            assert(back == data and kind == "binary")
            assert(json.decode((ask "headers"))["x-name"] == "Wert")
            assert((ask "extensions") == arg[3], (ask "extensions"))
            for i = 1, 50 do
              local text = ("compressible %d "):format(i):rep(i * i)
              assert((ask(text)) == text)
            end
            assert((ask "ping") == "pong payload")
            client:send "bye"
            assert(select(2, ch:receive()) == false)
            local info = client:close_info()
            print(info.code, info.reason, info.clean)
        """, url, mode, agreed, policy=policy_for(url), options=options,
            out=["4001\tas you wish\ttrue"])

    def test_plain(self):
        self.talk()

    def test_server_that_would_compress(self):
        self.talk("deflate")

    def test_client_that_would_compress(self):
        self.talk(mode="context_takeover")

    def test_compressed_with_takeover(self):
        self.talk("deflate", mode="context_takeover",
                  agreed="permessage-deflate")

    def test_compressed_without(self):
        self.talk("deflate", mode="no_context_takeover",
                  agreed="permessage-deflate")

    def test_behind_nginx(self):
        self.talk(nginx=True)

    def test_behind_nginx_compressed(self):
        self.talk("deflate", mode="context_takeover",
                  agreed="permessage-deflate", nginx=True)


if __name__ == "__main__":
    main()
