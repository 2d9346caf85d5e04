"""Runs one script or policy of tests/hostile and judges what came of it.

Its first lines say what must happen:
    -- status: 10          the exit status; several where chance decides
    -- args: --cpu 50ms    options for cordon run
    -- words: a b          arguments of the script
    -- stdout: text        is on standard output; any number of these lines
    -- stderr: text        is on standard error; any number of these lines
    -- server: echo        the script's first argument is a URL of the server of
                           hostile_server.py that does this; policy allows it
    -- levels: process     where it runs; in all levels without this line
    -- lua-bug: 603b2c64   reaches the bug of Lua that this commit of it mends,
                           so it runs in a worker only, where anything may come
                           of it that hurts nobody: 0, 1, limits, 21
Beside that, whatever it says: no script prints "survived" or "escaped", none
takes more CPU time or memory than it was given (and a little more), nothing
but text is written to standard error, and no sanitizer complains.
"""

import os
import re
import resource
import signal
import subprocess
import tempfile
import threading

import hostile_server
from patience import LIMIT_S

KEPT_BYTES = 1 << 18  # of what is printed, at its beginning and at its end
LEVELS = ("inprocess", "process")
HEAD = re.compile(
    r"^(?:--|#) (status|stderr|stdout|args|words|server|levels|lua-bug): (.*)$",
    re.M)
SANITIZER = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|runtime error:|DEADLYSIGNAL")
ALWAYS_BAD = ("survived", "escaped")
LUA_BUG_STATUS = (0, 1, 10, 11, 12, 13, 21)
NS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
BYTES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Head:
    """What the first lines of |path| ask for."""

    def __init__(self, path):
        with open(path, "rb") as f:
            text = f.read(2048).decode("utf-8", "replace")
        self.status = ()
        self.args = []
        self.words = []
        self.server = None
        self.levels = LEVELS
        self.lua_bug = None
        self.want = {"stdout": [], "stderr": []}
        for key, value in HEAD.findall(text):
            if key == "status":
                self.status = tuple(int(n) for n in value.split())
            elif key in ("args", "words"):
                setattr(self, key, value.split())
            elif key == "levels":
                self.levels = tuple(value.split())
            elif key == "lua-bug":
                self.lua_bug = value
                self.levels = ("process",)
            elif key == "server":
                self.server = value
            else:
                self.want[key].append(value)
        if self.lua_bug and not self.status:
            self.status = LUA_BUG_STATUS

    def option(self, name, default):
        if name in self.args:
            return self.args[self.args.index(name) + 1]
        return default

    @property
    def cpu_s(self):
        text = self.option("--cpu", "10s")
        n, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()
        return float(n) * NS[unit]

    @property
    def memory_bytes(self):
        text = self.option("--memory", "64MiB")
        n, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", text).groups()
        return int(n) * BYTES[unit]


def levels_of(cordon, env):
    """The isolation levels that this build has."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
        f.write("return\n")
        f.flush()
        return tuple(
            level for level in LEVELS
            if subprocess.run([cordon, "run", "--isolation=" + level, f.name],
                              env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0)


def execute(command, env):
    """Status (None: it had to be killed), output, errors, resources."""
    # pipes: a worker may not write to files, and its sanitizer must be heard
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    late = threading.Event()

    def stop():
        late.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(LIMIT_S, stop)
    timer.start()
    said = {}

    def read(name):
        first, last = b"", b""
        with getattr(process, name) as stream:
            while piece := stream.read1(1 << 16):
                if len(first) < KEPT_BYTES:
                    first += piece
                else:
                    last = (last + piece)[-KEPT_BYTES:]
        said[name] = first + last

    readers = [threading.Thread(target=read, args=(name,))
               for name in ("stdout", "stderr")]
    for reader in readers:
        reader.start()
    try:
        # not wait(): this tells what it took, its own children included
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    for reader in readers:
        reader.join()
    return (None if late.is_set() else process.returncode, said["stdout"],
            said["stderr"], usage)


def judge(head, level, sanitized, result):
    """What is wrong with the |result| of a run, as a list of sentences."""
    status, out, err, usage = result
    wrong = []
    if status is None:
        return ["not stopped after %d s" % LIMIT_S]
    if status not in head.status:
        wrong.append("status %d, expected %s" % (
            status, " or ".join(map(str, head.status))))
    text = {"stdout": out.decode("utf-8", "replace"),
            "stderr": err.decode("utf-8", "replace")}
    for stream, parts in head.want.items():
        wrong += ["no %r on %s" % (part, stream) for part in parts
                  if part not in text[stream]]
    wrong += ["%r on stdout" % word for word in ALWAYS_BAD
              if word in text["stdout"]]
    if SANITIZER.search(text["stderr"]) and not head.lua_bug:
        wrong.append("sanitizer report")
    if any(byte < 32 and byte not in (9, 10) for byte in err):
        wrong.append("control bytes on stderr")
    # far beyond what is promised, so that a busy machine is no failure
    cpu_s = usage.ru_utime + usage.ru_stime
    slack_s = 4 if sanitized else 0.4
    if cpu_s > head.cpu_s + slack_s:
        wrong.append("%.2f s of CPU time, %.2f s were given" % (
            cpu_s, head.cpu_s))
    # a process begins as a copy of this one, and with the most that it ever had
    most = max(96 << 20, head.memory_bytes * 3 // 2 + (48 << 20),
               resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
    if not sanitized and usage.ru_maxrss << 10 > most:
        wrong.append("%d MiB of memory, %d MiB were given" % (
            usage.ru_maxrss >> 10, head.memory_bytes >> 20))
    return wrong


def run(path, env, level, sanitized):
    """None where |level| has nothing to do with the file; else (sentences that
    say what is wrong, what it printed)."""
    head = Head(path)
    if level not in head.levels:
        return None
    if not head.status:
        return ["its head names no status"], ""
    command = [env["CORDON"], "run", "--isolation=" + level, *head.args]
    if head.server:
        url = hostile_server.url(head.server)
        command += ["--allow", url, path, url, *head.words]
    elif path.endswith(".yaml"):  # a policy, for a script of nothing
        command += ["-p", path, "-"]
    else:
        command += [path, *head.words]
    result = execute(command, env)
    wrong = judge(head, level, sanitized, result)
    return wrong, "".join(
        "%s:\n%s\n" % (name, said[:4000].decode("utf-8", "replace"))
        for name, said in (("stdout", result[1]), ("stderr", result[2])))
