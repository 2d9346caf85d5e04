"""What policy refuses, and how that is told."""

import os
import unittest

from peer import (PeerTest, WebSocketServer, RawServer, main, policy_for)

CONNECT = """
local websocket = require "websocket"
local client, err = websocket.connect(arg[1])
if err then
  return nil, err
end
client:close()
print "connected"
"""

REPORT = """
local websocket = require "websocket"
local client, err = websocket.connect(arg[1])
if client then
  print "connected"
  return
end
local d = err:details() or {}
print(err:kind(), err:retryable(), d.action, d.resource, d.policy)
"""


class Refusals(PeerTest):
    def setUp(self):
        super().setUp()
        self.server = self.enter(WebSocketServer())
        self.url = self.server.url + "/echo"

    def refused(self, url, action="websocket.connect.url", **kw):
        kw.setdefault("policy", policy_for(self.url))
        outcome = self.check(CONNECT, url, status=1, out=[], **kw)
        self.assertIn("cordon: denied %s" % action, outcome.err)
        self.assertIn("script.lua:3", outcome.err)
        self.assertEqual(self.server.requests, [])
        return outcome

    def test_allowed(self):
        self.check(CONNECT, self.url, policy=policy_for(self.url),
                   out=["connected"])

    def test_another_path(self):
        outcome = self.refused(self.server.url + "/admin")
        self.assertIn(self.server.url + "/admin", outcome.err)
        self.assertIn("to allow it:", outcome.err)
        self.assertIn("test:peer", outcome.err)

    def test_another_port(self):
        other = self.enter(RawServer(lambda peer: None))
        outcome = self.refused(other.url + "/echo")
        self.assertIn("port", outcome.err)
        self.assertEqual(other.accepted, 0)

    def test_another_host(self):
        outcome = self.refused("ws://127.0.0.1:%d/echo" % self.server.port)
        self.assertIn("to allow it:", outcome.err)

    def test_another_scheme(self):
        self.refused("wss" + self.url[2:])

    def test_no_policy(self):
        outcome = self.refused(self.url, action="websocket.connect",
                               policy=None)
        # how to allow one
        self.assertIn("--allow", outcome.err)

    def test_no_policy_allow_option(self):
        self.check(CONNECT, self.url, options=["--allow", self.url],
                   out=["connected"])

    def test_allow_option_is_no_deny_breaker(self):
        deny = policy_for("ws://*:*", self.url).replace(
            "effect: allow", "effect: deny")
        outcome = self.check(CONNECT, self.url, policy=deny, status=1,
                             options=["--allow", self.url])
        self.assertIn("denied", outcome.err)
        self.assertEqual(self.server.requests, [])

    def test_error_object(self):
        outcome = self.check(REPORT, self.server.url + "/admin",
                             policy=policy_for(self.url))
        self.assertEqual(outcome.lines, [
            "PermissionDenied\tfalse\twebsocket.connect.url\t%s/admin\tnil"
            % self.server.url])

    def test_error_object_of_a_deny(self):
        deny = policy_for("ws://localhost:*/echo") + """\
  - name: never
    kind: security.policy
    policy:
      actions: websocket.connect.url
      resources: "ws://localhost:*/echo"
      effect: deny
"""
        outcome = self.check(REPORT, self.url, policy=deny)
        self.assertEqual(outcome.lines, [
            "PermissionDenied\tfalse\twebsocket.connect.url\t%s\ttest:never"
            % self.url])

    def test_a_refusal_resolves_and_sends_nothing(self):
        raw = self.enter(RawServer(lambda peer: None))
        self.refused("ws://localhost:%d/echo" % raw.port)
        self.assertEqual(raw.accepted, 0)

    def test_host_in_url_is_not_fooled(self):
        # each names the allowed server somewhere where it does not count
        for url in ("ws://localhost:%d@127.0.0.1:%d/echo"
                    % (self.server.port, self.server.port),
                    "ws://127.0.0.1:%d\\@localhost/echo" % self.server.port,
                    "ws://localhost:%d#/echo" % self.server.port,
                    self.server.url + "/x/../echo",
                    self.server.url + "/%2e%2e/echo",
                    self.server.url + "/a%2fecho",
                    self.server.url + "//echo",
                    "ws://localhost.:0%d/echo" % self.server.port,
                    "ws://0x7f.1:%d/echo" % self.server.port,
                    "ws://2130706433:%d/echo" % self.server.port,
                    "ws://[::ffff:127.0.0.1]:%d/echo" % self.server.port,
                    "ws://loc\u0430lhost:%d/echo" % self.server.port,
                    " " + self.url, self.url + "\n",
                    "http" + self.url[2:]):
            outcome = self.check(REPORT, url, policy=policy_for(self.url))
            self.assertTrue(outcome.out.startswith("Invalid\tfalse\t"),
                            (url, outcome))
        self.assertEqual(self.server.requests, [])

    def test_trailing_dot_and_case_are_the_same_host(self):
        self.check(CONNECT, "WS://LocalHost.:%d/%%65cho" % self.server.port,
                   policy=policy_for(self.url), out=["connected"])

    def test_private_addresses_need_their_own_word(self):
        # a wildcard that the name matches does not open the loopback
        outcome = self.check(
            REPORT, "ws://sub.localhost:%d/echo" % self.server.port,
            policy=policy_for("ws://*.localhost:*/echo"))
        self.assertIn("PermissionDenied\tfalse\twebsocket.connect.address",
                      outcome.out)
        self.assertEqual(self.server.requests, [])

    def test_header_injection(self):
        script = """
            local websocket = require "websocket"
            local function try(options)
              local client, err = websocket.connect(arg[1], options)
              assert(client == nil and err:kind() == errors.INVALID,
                     tostring(err))
              assert(err:retryable() == false)
            end
            for _, name in ipairs {
              "Host", "connection", "UPGRADE", "Content-Length",
              "Transfer-Encoding", "Sec-WebSocket-Key",
              "sec-websocket-anything", "", "a b", "a:", "a\\r\\nb",
              "a\\0b", "\\xc3\\xa9"} do
              try {headers = {[name] = "x"}}
            end
            for _, value in ipairs {
              "a\\r\\nHost: evil", "a\\nb", "a\\rb", "a\\0b", "a\\x7fb",
              "a\\x01b"} do
              try {headers = {["X-Thing"] = value}}
            end
            for _, list in ipairs {{"a b"}, {"a", "a"}, {""}, {"a,b"},
                                   {"a\\r\\nb"}, {1}} do
              try {protocols = list}
            end
            for _, options in ipairs {
              {unknown = 1}, {dial_timeout = "soon"}, {dial_timeout = {}},
              {read_limit = -1}, {read_limit = 128 * 1024 * 1024 + 1},
              {channel_capacity = 0}, {channel_capacity = 10001},
              {headers = "x"}, {protocols = "x"}, {compression = 7},
              {compression_threshold = -1}} do
              try(options)
            end
            print "done"
        """
        self.check(script, self.url, policy=policy_for(self.url),
                   out=["done"])
        self.assertEqual(self.server.requests, [])

    def test_escape_sequences_do_not_reach_the_terminal(self):
        outcome = self.check("""
            local websocket = require "websocket"
            error("\\27[31mred\\7" .. arg[1])
        """, "x\x1b]0;title\x07", status=1)
        self.assertNotIn("\x1b", outcome.err)
        self.assertNotIn("\x07", outcome.err)


class Statuses(PeerTest):
    def test_broken_policies(self):
        for text, place in (
                (policy_for("ws://a").replace("effect: allow",
                                              "effect: alow"), ":9:15: "),
                (policy_for("ws://a").replace("effect:", "efect:"), ":9:7: "),
                ("entries: [", ":1:"),
                (policy_for("wss://a*.example.com/"), ":8:31: "),
                (policy_for("ws://a") + "      effect: deny\n", ":10:7: "),
                ("a: &a [1]\nb: *c\n", ":2:4")):
            outcome = self.check("print 'ran'", policy=text, status=3, out=[])
            self.assertIn("policy.yaml" + place, outcome.err)

    def test_conditions_are_checked(self):
        text = policy_for("ws://a") + (
            "      conditions:\n"
            "        - {field: actor.id, operator: equals, value: x}\n")
        outcome = self.check("print 'ran'", policy=text, status=3, out=[])
        self.assertIn("policy.yaml:11:39:", outcome.err)

    def test_missing_files(self):
        self.check("print 'ran'", status=2, out=[],
                   options=["-p", os.path.join(self.folder, "none.yaml")])
        script = self.write("gone.lua", "")
        os.unlink(script)
        import subprocess
        from peer import CORDON
        done = subprocess.run([CORDON, "run", script],
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, 2, done)

    def test_usage(self):
        self.check("print 'ran'", status=2, out=[], options=["--nonsense"])

    def test_syntax_error(self):
        outcome = self.check("local x = = 1", status=3, out=[])
        self.assertIn("script.lua:1:", outcome.err)

    def test_bytecode(self):
        self.check(b"\x1bLua\x54\x00\x19\x93", status=3, out=[])

    def test_main_and_arguments(self):
        self.check("""
            print(arg[1], ...)
            return {main = function(a, b) print(a, b) end}
        """, "one", "two", out=["one\tone\ttwo", "one\ttwo"])

    def test_main_fails(self):
        outcome = self.check("""
            return {main = function()
              return nil, errors.new {message = "no luck",
                                      kind = errors.UNAVAILABLE}
            end}
        """, status=1)
        self.assertIn("no luck", outcome.err)
        self.assertIn("Unavailable", outcome.err)

    def test_limits(self):
        self.check("while true do end", status=10,
                   options=["--cpu", "200ms"])
        self.check("local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. "
                   "#t end", status=11, options=["--memory", "8MiB"])
        self.check("require 'time'.sleep('1m')", status=12,
                   options=["--deadline", "200ms"])

    def test_deadlock(self):
        outcome = self.check("channel.new():receive()", status=1)
        self.assertIn("all tasks are asleep", outcome.err)


if __name__ == "__main__":
    main()
