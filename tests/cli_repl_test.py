#!/usr/bin/python3
"""cordon repl: Lua that is typed, through a pipe and on a terminal."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

from patience import LIMIT_S, patiently

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORDON = os.environ.get("CORDON") or os.path.join(TOP, "build", "cordon")


class Pipe(unittest.TestCase):
    isolation = "process"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="cordon-repl-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(text)

    def repl(self, text, *options, status=0):
        if isinstance(text, str):
            text = text.encode()
        p = subprocess.run(
            [CORDON, "repl", "--isolation", self.isolation, *options],
            input=text, capture_output=True, cwd=self.folder, timeout=LIMIT_S)
        out = p.stdout.decode("utf-8", "replace")
        err = p.stderr.decode("utf-8", "replace")
        self.assertEqual(p.returncode, status, out + err)
        return out, err

    def test_values(self):
        for text, want in (
                ("1 + 1", "2"), ("return 1, nil, 'x'", '1\tnil\t"x"'),
                ("local x = 1", None), ("x = 1", None), ("nil", "nil"),
                ("(function() end)()", None), ("'a\\n\\27[31m\"\\\\'",
                 '"a\\n\\x1b[31m\\"\\\\"'),
                ("{3, {}, x = {y = true}, [2.5] = 1, ['a b'] = 2}",
                 '{3, {}, [2.5] = 1, ["a b"] = 2, x = {y = true}}'),
                ("setmetatable({}, {__tostring = function() return 'me' end})",
                 "me"),
                ("setmetatable({}, {__tostring = error})",
                 "<table: its __tostring fails>"),
                ("setmetatable({1}, {__index = error, __len = error, "
                 "__pairs = error})", "{1}"),
                ("-- nothing", None), ("  ", None), ("1 -- one", "1"),
                ("#'xy'", "2")):
            with self.subTest(text=text):
                out, err = self.repl(text + "\n")
                self.assertEqual((out, err), (want + "\n" if want else "", ""))

    def test_bounded(self):
        out, _ = self.repl(
            "('x'):rep(1e6)\n"
            "t = {} for i = 1, 1e5 do t[i] = i end\nt\n"
            "for i = 1, 1e5 do t['k' .. i] = i end\nt\n"
            "d = {} e = d for i = 1, 1e4 do e[1] = {} e = e[1] end\nd\n"
            "d[1] = d\nd\ntable.unpack(t, 1, 200)\n"
            "setmetatable({}, {__tostring = function() "
            "return ('y'):rep(1e6) end})\n")
        lines = out.splitlines()
        self.assertEqual(len(lines), 7)
        for line in lines:
            self.assertLess(len(line), 10000)
        self.assertTrue(lines[0].endswith('"...'))
        self.assertIn("...", lines[1])
        self.assertEqual(lines[4], "{{...}}")

    def test_globals_stay(self):
        out, err = self.repl("x = 1\nlocal y = 2\nfunction f() return x, y end"
                             "\nf()\nprint('p')\nx\n")
        self.assertEqual((out, err), ("1\tnil\np\n1\n", ""))

    def test_what_was_typed_cannot_spoil_it(self):
        out, _ = self.repl(
            "for k in pairs(_G) do if k ~= '_G' then _G[k] = nil end end\n"
            "_G._G = nil\n1, {x = 2}\nerror_ = 1\nnil + 1\n'still'\n",
            status=1)
        self.assertEqual(out, '1\t{x = 2}\n"still"\n')

    def test_several_lines(self):
        out, err = self.repl(
            "for i = 1, 2 do\nprint(i)\n\nend\nx = [[a\n\nb]]\nx\n{1,\n2}\n"
            "x\n(1)\n")
        self.assertEqual(out, '1\n2\n"a\\n\\nb"\n{1, 2}\n"a\\n\\nb"\n1\n')

    def test_mistakes(self):
        out, err = self.repl("x = = 1\nprint 'on'\n1 +", status=1)
        self.assertEqual(out, "on\n")
        self.assertIn("cordon: input1:1: unexpected symbol near '='\n"
                      "    1 | x = = 1\n", err)
        self.assertIn("cordon: input3:1: unexpected symbol near <eof>", err)
        # a whole chunk, or none
        out, err = self.repl("end os.exit() function f()\n", status=1)
        self.assertIn("<eof> expected near 'end'", err)
        # an end that never came
        for text in ("print 'on'\ndo\nprint 'no'\n", "print 'on'\nx =\n",
                     "print 'on'\nx = [[\n"):
            out, err = self.repl(text, status=1)
            self.assertEqual(out, "on\n")
            self.assertRegex(err, "^cordon: input2:[1-3]: .* near '?<eof>")
        # the compiler forgets where it was
        out, err = self.repl("x = %s1%s\n" % ("(" * 300, ")" * 300), status=1)
        self.assertEqual(err, "cordon: input1: cannot be compiled: C stack "
                              "overflow\n")
        # what is whole but for what is put around it
        out, err = self.repl("f = %sfunction() %s\n1\n" %
                             ("function() return " * 195, "end " * 196),
                             status=1)
        self.assertIn("cordon: input1:", err)
        self.assertNotIn("module", err)
        self.assertEqual(out, "1\n")

    def test_errors(self):
        out, err = self.repl(
            "local function f() error('no \\27[31m') end\n"
            "error({})\nf = function()\n  local x = nil + 1\nend\nf()\n"
            "error(setmetatable({}, {__tostring = error}))\n1\n", status=1)
        self.assertEqual(out, "1\n")
        self.assertRegex(err, r"cordon: table: \w+\n")
        self.assertIn("cordon: input3:2: attempt to perform arithmetic on a "
                      "nil value\nstack traceback:\n"
                      "\tinput3:2\n", err)
        self.assertIn("cordon: <table that cannot be shown>\n", err)
        self.assertNotIn("repl:", err)
        self.assertNotIn("\x1b", err)

    def test_refusals(self):
        text = "c, e = require('websocket').connect('wss://a.example/x')\n" \
               "e:kind()\n"
        out, err = self.repl(text)
        self.assertEqual(out, '"PermissionDenied"\n')
        self.assertIn("cordon: denied websocket.connect (input1:1)", err)
        self.assertIn("no policy was given", err)
        self.assertEqual(self.repl(text, "-q")[1], "")
        self.repl("", "--allow", "nonsense", status=2)
        self.repl("", "--scope", "x", status=2)
        self.repl("", "x", status=2)
        out, _ = self.repl(
            "require('security').actor():id()\n"
            "require('security').can('x', 'y')\n", "--actor", "me",
            "--audit", "log")
        self.assertEqual(out, '"me"\nfalse\n')

    def test_connects(self):
        server = subprocess.Popen(
            [os.path.join(os.path.dirname(CORDON), "examples", "echo-server")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.kill)
        port = re.search(r":(\d+)$", server.stdout.readline().strip())[1]
        out, err = self.repl(
            "c = require('websocket').connect('ws://localhost:%s/')\n"
            "c:send('hello')\n(c:receive():receive()).data\n" % port,
            "--allow", "ws://localhost:*", "--audit", "log")
        self.assertEqual((out, err), ('true\n"hello"\n', ""))
        with open(os.path.join(self.folder, "log")) as f:
            self.assertIn('"code":1001', f.read())

    def test_modules(self):
        self.write("m.lua", "return {7}")
        self.write("repl.lua", "return 'mine'")
        out, err = self.repl("require 'm'\nrequire 'repl'\n"
                             "pcall(require, 'repl.99')\n")
        self.assertEqual(out.splitlines()[:2], ["{7}", '"mine"'])
        self.assertTrue(out.splitlines()[2].startswith("false\t"))

        # nor is a file taken for a chunk to come
        os.mkdir(os.path.join(self.folder, "repl"))
        for i in range(1, 6):
            self.write("repl/%d.lua" % i, "return function() return 'no' end")
        out, _ = self.repl("for i = 1, 5 do require('repl.' .. i) end\n"
                           "'two'\n'three'\n'four'\n")
        self.assertEqual(out, '"two"\n"three"\n"four"\n')

    def test_limits(self):
        """Nothing is run behind one: it would begin anew, without what was
        defined."""
        for options, text, status, told in (
                (["--cpu", "500ms"], "while true do end", 10,
                 "CPU limit of 500 ms"),
                (["--deadline", "50ms"], "require('time').sleep('1h')", 12,
                 "deadline of "),
                (["--max-output", "100B"], "print(('x'):rep(200))", 13,
                 "output limit of 100 bytes"),
                (["--memory", "2MiB"],
                 "t = {} for i = 1, 1e9 do pcall(function() "
                 "t[i] = ('x'):rep(1e5) .. i end) end", 11, "memory limit")):
            def attempt(scale):
                words = [w.replace("50ms", "%dms" % (50 * scale))
                         for w in options]
                out, err = self.repl("print(1)\n%s\nprint(2)\n" % text,
                                     *words, status=status)
                self.assertTrue(out.startswith("1\n"))
                self.assertNotIn("2\n", out)
                self.assertIn("stopped: " + told, err)
                self.assertNotIn("new sandbox", err)
                # what calls chunks is ours, and a title needs something below
                self.assertNotIn("repl:", err)
                self.assertFalse(err.endswith("traceback:\n"), err)
            with self.subTest(options=options):
                patiently(attempt)

    def test_memory(self):
        out, err = self.repl("x = 1\n('x'):rep(1 << 23)\nx\n",
                             "--memory", "2MiB", status=1)
        self.assertEqual(out, "1\n")
        self.assertIn("not enough memory", err)

    def test_long_input(self):
        """What is behind a chunk that is not taken is no code: a part of it,
        as often as not."""
        for text, why in (
                (b"x = '" + b"y" * 1100000 + b"'\nprint 'no'\n",
                 "is longer than 1 MiB"),
                (b"x = [[\n" + b"yyyyyyyyyyyyyyy\n" * 600 + b"y" * 1100000 +
                 b"\nprint 'no'\n]]\n", "is longer than 1 MiB"),
                (b"x = [[\n" + b"print 'no'\n" * 2500 + b"]]\nprint 'no'\n",
                 "has more than 2000 lines")):
            with self.subTest(why=why):
                out, err = self.repl(b"print 'on'\n" + text, status=3)
                self.assertEqual(out, "on\n")
                self.assertEqual(err, "cordon: a chunk %s: it is not run, and "
                                      "nothing behind it is\n" % why)
        out, err = self.repl("do\n" + "x = 1\n" * 1990 + "end x = 2\n")
        self.assertEqual(out, "")
        out, _ = self.repl(b"x = '\x00\xff'\n#x\nx\n")
        self.assertEqual(out.splitlines()[0], "2")

    def test_many_lines(self):
        """A chunk is not compiled again with each of its lines, which would be
        refused as too slow; and none is missed where it ends."""
        line = "x = {%s}\n" % ", ".join("[%d] = 'yyyyyyyyy'" % i
                                        for i in range(20))
        for begin, end in (("do\n", "end\n"), ("function f()\n", "end\n"),
                           ("repeat\n", "until true\n"),
                           ("if x then\nelse\n", "end\n")):
            out, err = self.repl(begin + line * 1900 + end + "'on'\n")
            self.assertEqual((out, err), ('"on"\n', ""))
        for begin, middle, end in (
                ("x = {\n", "{'y', [[\n]], f(1)}, -- ]]\n", "}\n"),
                ("x = [==[\n", "]] ]=] --\n", "]==]\n"),
                ("--[[\n", "yyyy yyyyy yyyyy\n", "]]\n"),
                ("x = 'y\\\n", "yyyyyyyyy 'yyyyyy\\\n".replace("'", '"'),
                 "'\n"),
                ("x = 'y\\z\n", "  yyyyyyyyy yyyyyy\\z\n", "'\n"),
                ("x = 1 +\n", "1111111111 + -- yyyyyyyyyyyy\n", "1\n"),
                ("x = 1 and\n", "2 and not\n", "3\n")):
            text = begin + middle * 900 + end
            with self.subTest(text=text[:30]):
                out, err = self.repl(("f = type\n" + text) + "'on'\n")
                self.assertEqual((out, err), ('"on"\n', ""))
        # a mistake is told, and what is behind it is code again
        out, err = self.repl("do\n" + line * 100 + "x = = 1\nend\n'on'\n",
                             status=1)
        self.assertIn("unexpected symbol near '='", err)
        self.assertIn('"on"\n', out)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            p = subprocess.Popen(
                [CORDON, "repl", "--isolation", self.isolation],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, cwd=self.folder)
            p.stdin.write(b"print 'up'\nwhile true do end\n")
            p.stdin.flush()
            self.assertEqual(p.stdout.readline(), b"up\n")
            p.send_signal(number)
            _, err = p.communicate(timeout=LIMIT_S)
            self.assertEqual(p.returncode, 128 + number)
            self.assertIn(b"stopped by " + number.name.encode(), err)


    def test_compiler(self):
        """It goes through the list of all branches at each of them."""
        if self.isolation == "inprocess":
            self.skipTest("the compiler is the same, and takes its time")
        text = "if x then " + "elseif x then " * 74000 + "end\nprint 'no'\n"
        out, err = self.repl("print 'on'\n" + text, status=3)
        self.assertEqual(out, "on\n")
        self.assertIn("a chunk takes too long to compile", err)


class PipeInProcess(Pipe):
    isolation = "inprocess"


class OnTerminal(unittest.TestCase):
    isolation = "process"
    term = "dumb"

    def start(self, *options):
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        p = subprocess.Popen(
            [CORDON, "repl", "--isolation", self.isolation, *options],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": self.term},
            preexec_fn=lambda: __import__("fcntl").ioctl(
                0, __import__("termios").TIOCSCTTY, 0))
        os.close(slave)
        self.addCleanup(self.end, p)
        self.seen = ""
        # a read may end inside a character
        self.decode = codecs.getincrementaldecoder("utf-8")().decode
        self.until("> ")
        return p

    def end(self, p):
        if p.poll() is None:
            p.kill()
        p.wait()

    def until(self, words):
        end = time.monotonic() + LIMIT_S
        while words not in self.seen:
            left = end - time.monotonic()
            self.assertGreater(left, 0, (words, self.seen))
            if select.select([self.master], [], [], left)[0]:
                self.seen += self.decode(os.read(self.master, 65536))
        at = self.seen.index(words) + len(words)
        before, self.seen = self.seen[:at], self.seen[at:]
        return before

    def type(self, text):
        os.write(self.master, text.encode())


class Terminal(OnTerminal):
    def test_talk(self):
        p = self.start()
        self.type("1 + 1\n")
        self.until("\r\n2\r\n> ")
        self.type("for i = 1, 2 do\n")
        self.until("\r\n... ")
        self.type("print('\\27[31m' .. i) end\n")
        said = self.until("2\r\n> ")
        self.assertIn("\\x1b[31m1", said)
        self.assertNotIn("\x1b", said)
        self.type("error 'no'\n")
        self.until("input3:1: no\r\n")
        self.until("> ")
        self.type("\x04")
        self.assertEqual(p.wait(timeout=LIMIT_S), 0)

    def test_interrupts(self):
        """They end the chunk, and nothing that was done before."""
        p = self.start()
        self.type("x = 1\n")
        self.until("> ")
        for text in ("x = x + 1 print 'go' while true do end\n",
                     "x = x + 1 print 'go' require('time').sleep('1h')\n",
                     "x = x + 1 print 'go' pcall(function() "
                     "while true do end end)\n"):
            self.type(text)
            self.until("\r\ngo\r\n")
            self.type("\x03")
            self.until("interrupted")
            self.until("> ")
        self.type("x\n")
        self.until("\r\n4\r\n> ")
        # what was typed is dropped
        self.type("for i = 1, 2 do\n")
        self.until("... ")
        self.type("\x03")
        self.until("\r\n> ")
        self.type("x\n")
        self.until("\r\n4\r\n> ")
        self.type("\x04")
        self.assertEqual(p.wait(timeout=LIMIT_S), 0)

    def test_goes_on(self):
        """Somebody sees what happens, and what is gone."""
        p = self.start("--cpu", "500ms")
        self.type("x = 1\n")
        self.until("> ")
        self.type("while true do end\n")
        self.until("stopped: CPU limit of 500 ms")
        self.until("what was defined is gone: the next line begins in a new "
                   "sandbox\r\n> ")
        self.type("x\n")
        self.until("\r\nnil\r\n> ")
        self.type("x = [[\n")
        self.until("... ")
        for _ in range(40):
            self.type("y\n" * 50)
            self.until("y\r\n" * 2)
        self.until("a chunk has more than 2000 lines, and is passed over\r\n")
        self.type("\nx = 'on'\n")
        self.until("x = 'on'\r\n")
        self.type("x\n")
        self.until('"on"\r\n> ')
        self.type("if x then\n")
        self.until("... ")
        self.type("\x04")
        self.until("'end' expected (to close 'if' at line 1) near <eof>")
        self.assertEqual(p.wait(timeout=LIMIT_S), 0)

    def test_termination(self):
        p = self.start()
        p.send_signal(signal.SIGTERM)
        self.until("stopped by SIGTERM")
        self.assertEqual(p.wait(timeout=LIMIT_S), 143)


class TerminalInProcess(Terminal):
    isolation = "inprocess"


LEFT, RIGHT, UP, DOWN = "\x1b[D", "\x1b[C", "\x1b[A", "\x1bOB"


class Keys(OnTerminal):
    """Lines are edited where the terminal can."""
    term = "xterm"

    def result(self, keys, words):
        self.type(keys)
        self.until("\r\n%s\r\n\r> " % words)

    def leave(self, p):
        self.type("\x04")
        self.assertEqual(p.wait(timeout=LIMIT_S), 0)
        self.assertTrue(self.echoes())

    def echoes(self):
        mode = termios.tcgetattr(self.master)[3]
        self.assertEqual(bool(mode & termios.ICANON),
                         bool(mode & termios.ECHO))
        return bool(mode & termios.ECHO)

    def test_keys(self):
        p = self.start()
        for keys, words in (
                ("12" + LEFT + "3", "132"),
                ("12" + LEFT * 5 + "3" + RIGHT * 9 + "4", "3124"),
                ("12\x1b[H3\x1b[F4", "3124"),
                ("12\x1b[1~3\x1b[4~4", "3124"),
                ("12\x1bOH3\x1bOF4", "3124"),
                ("12\x013\x054", "3124"),
                ("123\x02\x02\x069", "1293"),
                ("123" + LEFT + "\x7f", "13"),
                ("123" + LEFT + "\x1b[3~", "12"),
                ("123" + LEFT + "\x04", "12"),
                ("123" + LEFT + "\x0b", "12"),
                ("123" + LEFT + "\x15", "3"),
                ("1 + 234 \x175", "6"),
                ("1\x1b[1;5D2", "21"),
                ("1\x1b[9999999999999999z\x1b\x1b[Z2\x1b[~3", "123"),
                ("'a\u00e4\u4e00'" + LEFT * 2 + "\x7f", '"a\u4e00"'),
                ("#'\t'", "1")):
            self.result(keys + "\n", words)
        self.leave(p)

    def test_history(self):
        p = self.start()
        self.result(UP + DOWN + "1\n", "1")
        self.result("2\n", "2")
        self.result("2\n", "2")
        self.result(UP * 5 + DOWN + UP + "0\n", "10")
        self.result("7" + UP + UP + DOWN + DOWN + "8" + DOWN + "\n", "78")
        self.result("\x10\x10\x0e\n", "78")
        for i in range(205):
            self.result("%d\n" % (1000 + i), str(1000 + i))
        self.result(UP * 200 + "\n", "1005")
        self.leave(p)

    def test_narrow(self):
        p = self.start()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, 20, 0, 0))
        self.type("'" + "a" * 30 + "b" * 30)
        self.until("> " + "b" * 17 + "\x1b[K\r\x1b[19C")
        self.type("\x01")
        self.until("> '" + "a" * 16 + "\x1b[K\r\x1b[2C")
        self.result("\x05'\n", '"%s"' % ("a" * 30 + "b" * 30))
        self.leave(p)

    def test_nothing_passes_to_the_terminal(self):
        """Of what is pasted."""
        p = self.start()
        self.type("#'\u009b31m\x07\x1b]0;x\n")
        self.assertNotIn("\u009b", self.until("> #'?31m0;x\x1b[K"))
        self.type("\x03")
        self.result("1\n", "1")
        self.leave(p)

    def test_pasted(self):
        p = self.start()
        self.type("for i = 1, 2 do\nprint(i)\nend\n'x'\n")
        self.until("... end\x1b[K\r\x1b[7C\r\n1\r\n2\r\n")
        self.until('"x"\r\n\r> ')
        self.leave(p)

    def test_while_it_runs(self):
        """The terminal is as it was; what a task prints stands above the line
        that is typed."""
        # a script waits for it to hang up: as long as is wanted here
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        p = self.start("--allow", "ws://localhost:*")
        self.type("function wait() require('websocket').connect("
                  "'ws://localhost:%d/', {dial_timeout = '1h'}) end\n" %
                  server.getsockname()[1])
        self.until("\r\n\r> ")
        self.type("print 'go' wait()\n")
        self.until("\r\ngo\r\n")
        self.assertTrue(self.echoes())
        server.accept()[0].close()
        self.until("\r> ")
        self.type("coroutine.spawn(function() wait() print 'task' end)\n")
        self.until("\r\n\r> ")
        self.type("40 +")
        self.until("\r> 40 +\x1b[K")
        server.accept()[0].close()
        self.until("\r\x1b[Ktask\r\n\r> 40 +\x1b[K")
        self.result(" 3\n", "43")
        self.leave(p)

    def test_interrupts(self):
        p = self.start()
        self.type("if x then\n")
        self.until("\r... ")
        self.type("half\x03")
        self.until("\r\n\r> ")
        self.result("1\n", "1")
        self.leave(p)

    def test_termination(self):
        p = self.start()
        self.type("half")
        self.until("half")
        self.assertFalse(self.echoes())
        p.send_signal(signal.SIGTERM)
        self.until("stopped by SIGTERM")
        self.assertEqual(p.wait(timeout=LIMIT_S), 143)
        self.assertTrue(self.echoes())


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
