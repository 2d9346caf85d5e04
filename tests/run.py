#!/usr/bin/python3
"""Runs every test against one or more builds and adds up the results.

usage: run.py [--only GROUP]... [--slowest N] LABEL=BUILD-FOLDER...

A label that starts with "valgrind" runs the unit tests of that build under
valgrind and nothing else.  One line a group, with the time that its programs
took together; what failed is shown in full.  --slowest names the N programs
that took longest, with their processor time.  The last line is "N passed, M
failed"; the exit status is 0 if M is 0.

All groups of all builds share the lanes, and what takes long begins first: no
lane is idle while another one still has work.

Up to two programs that failed run once more, alone, when all else is through: a
starved machine fails what is right.  One that passes then is told as unsteady, with
what it said the first time, and is to be mended; what is wrong fails again.  Nothing
is tried again behind a crash or what a sanitizer or valgrind has seen.
"""

import concurrent.futures
import os
import re
import resource
import signal
import subprocess
import sys
import time

import hostile_files

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = "/usr/bin/python3"  # the one that Debian's python3-websockets is for
# For what hangs: a machine that is far slower than others passes.
LIMIT_S = 900
VALGRIND_LIMIT_S = 300  # for one program; what takes longer is left out
# One more than the machine of the tests has cores: some of them mostly wait.
LANES = 3
UNSTEADY_MAX = 2  # programs; more are no chance
# Programs that take long, to begin with them; a guess does no harm.
SECONDS = {
    "cli_test.py": 60,
    "random_programs.py": 60,
    "test_failures.py": 40,
    "check_preempt": 35,
    "test_refusals.py": 30,
    "test_messages.py": 30,
    "test_tls.py": 30,
    "readme.py": 30,
    "check_remote": 30,
    "check_nomem": 25,
    "check_str": 27,
    "check_deflate": 25,
    "cli_worker_test.py": 20,
    "check_abandon": 16,
    "cli_suite_test.py": 15,
    "check_tls": 9,
    "check_broker": 9,
    "check_dial": 5,
    "check_region": 10,
    "check_stress": 10,
    "check_confine": 9,
    "oracle_policy.py": 8,
    "oracle_url.py": 8,
    "check_limits": 8,
    "check_spawn": 6,
}
SANITIZER = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|runtime error:|DEADLYSIGNAL")
# What a starved machine has no part in, and nothing is tried again behind.
NO_CHANCE = re.compile(
    SANITIZER.pattern + r"|^==\d+== (Invalid|Conditional jump|Use of uninit)"
    r"|Received signal|^exit status -(?!1$)", re.M)


class Result:
    """What one program came to: cases passed and failed, and its words."""

    def __init__(self, name, passed=0, failed=0, skipped=0, output=""):
        self.name = name
        self.passed = passed
        self.failed = failed
        self.skipped = skipped
        self.output = output
        self.seconds = 0.0
        self.unsteady = None  # what it said when it failed the first time


def run(command, env, limit_s=LIMIT_S, cwd=None):
    """Status and output of a command that gets no input and a time limit."""
    if not os.access(command[0], os.X_OK):
        return 127, "%s is not there\n" % command[0]
    process = subprocess.Popen(
        command, env=env, cwd=cwd, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True)
    try:
        output, _ = process.communicate(timeout=limit_s)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += b"\nstopped after %d s\n" % limit_s
        status = -1
    return status, output.decode("utf-8", "replace")


def judge(name, status, output, passed=1, failed=0, skipped=0):
    """A result, mistrustful: a bad status is a failure whatever was printed."""
    if status == 77 and failed == 0:
        return Result(name, 0, 0, 1, output)
    if failed == 0 and (status != 0 or SANITIZER.search(output)):
        failed = 1
        output += "\nexit status %d\n" % status
    return Result(name, passed if status == 0 else max(passed, 0), failed,
                  skipped, output)


def check_program(path, env, prefix=(), limit_s=LIMIT_S):
    status, output = run([*prefix, path], env, limit_s)
    name = os.path.basename(path)
    if status == -1 and prefix and not re.search(r"^==\d+==", output, re.M):
        return Result(name, 0, 0, 1, output)
    total = re.findall(
        r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", output, re.M)
    if not total and status == 77:
        return Result(name, 0, 0, 1, output)
    if not total:
        return Result(name, 0, 1, 0, output + "\nno summary, status %d\n"
                      % status)
    checks = sum(int(t[0]) for t in total)
    bad = sum(int(t[1]) + int(t[2]) for t in total)
    if checks == 0 and prefix and status == 0:
        return Result(name, 0, 0, 1, "all of it is slow\n")
    if checks == 0:
        return Result(name, 0, 1, 0, output + "\nno test in it\n")
    return judge(name, status, output, checks - bad, bad)


def simple(command, env, name):
    status, output = run(command, env)
    ok = status == 0
    return judge(name, status, output, 1 if ok else 0, 0)


def python_program(path, env, level=None):
    name = os.path.basename(path)
    if level:
        name += " (%s)" % level
        env = dict(env, CORDON_TEST_ISOLATION=level)
    status, output = run([PYTHON, path], env)
    total = re.search(r"^Ran (\d+) tests?", output, re.M)
    if not total:
        return judge(name, status or -1, output, 0)
    verdict = re.search(r"^(?:OK|FAILED)(?: \((.*)\))?$", output, re.M)
    words = dict(re.findall(r"(\w+)=(\d+)", (verdict and verdict[1]) or ""))
    bad = int(words.get("failures", 0)) + int(words.get("errors", 0))
    skipped = int(words.get("skipped", 0))
    return judge(name, status, output, int(total[1]) - bad - skipped, bad,
                 skipped)


def lua_program(path, env, level):
    # limits that no test of it is about, however slow the machine
    command = [env["CORDON"], "run", "--cpu", "5m", "--deadline", "10m",
               "--isolation", level]
    policy = os.path.splitext(path)[0] + ".yaml"
    if os.path.exists(policy):
        command += ["-p", policy]
    return simple([*command, path], env,
                  "%s (%s)" % (os.path.basename(path), level))


def hostile_file(path, env, level, sanitized):
    name = "%s (%s)" % (os.path.relpath(path, os.path.join(
        TOP, "tests", "hostile")), level)
    if not os.access(env["CORDON"], os.X_OK):
        return Result(name, 0, 1, 0, "cordon is not built\n")
    done = hostile_files.run(path, env, level, sanitized)
    if done is None:
        return Result(name)
    wrong, said = done
    if wrong:
        return Result(name, 0, 1, 0, "\n".join(wrong) + "\n" + said)
    return Result(name, 1)


def levels_of(build, env):
    """The levels of isolation that this build was made for.  What it was made
    for and does not do is a failure, not a level less."""
    with open(os.path.join(build, "config.status"), errors="replace") as f:
        if '["HAVE_WORKER_TRUE"]="#"' in f.read():
            return hostile_files.LEVELS[:1]
    return hostile_files.LEVELS


def left_out(name):
    return Result(name, 0, 0, 1, "this build has no process isolation")


def hostile_work(build, env, levels):
    """Every script in every level of isolation that this build has."""
    if not os.access(env["CORDON"], os.X_OK):
        levels = hostile_files.LEVELS[:1]
    with open(os.path.join(build, "config.log"), errors="replace") as f:
        sanitized = "--enable-sanitizers" in f.read(4096)
    paths = sorted(os.path.join(folder, name)
                   for folder, _, names in os.walk(
                       os.path.join(TOP, "tests", "hostile"))
                   for name in names if name.endswith((".lua", ".yaml")))
    return [(hostile_file, (path, env, level, sanitized))
            for level in levels for path in paths]


def files(folder, pattern, base=TOP):
    path = os.path.join(base, folder)
    if not os.path.isdir(path):
        return []
    return [os.path.join(path, n) for n in sorted(os.listdir(path))
            if re.fullmatch(pattern, n)]


def listed(kind):
    """Programs as Makefile.am lists them: what is not built is a failure."""
    with open(os.path.join(TOP, "Makefile.am")) as f:
        text = f.read().replace("\\\n", " ")
    found = re.search(r"^%s =(.*)$" % kind, text, re.M)
    return found[1].split() if found else []


def groups(label, build, env):
    """(group, [(function, arguments)]) in the order they run."""
    one = os.path.join(TOP, "tests", "one.sh")
    units = [os.path.join(build, p) for p in listed("UNITS")]
    if label.startswith("valgrind"):
        tool = [os.path.join(build, "libtool"), "--mode=execute", "valgrind",
                "--suppressions=" + os.path.join(TOP, "tests", "valgrind.supp"),
                "--quiet", "--error-exitcode=99", "--leak-check=full",
                "--errors-for-leak-kinds=definite", "--num-callers=20"]
        env = dict(env, CK_FORK="no", CK_DEFAULT_TIMEOUT="0",
                   CK_EXCLUDE_TAGS="slow fork",
                   # or it takes so long that it is left out
                   BROKER_STRIDE="20")
        return [("units", [(check_program, (p, env, tool, VALGRIND_LIMIT_S))
                           for p in units])]
    lua = [p for p in files("tests/lua", r".*\.lua")
           if os.path.basename(p) != "check.lua"]
    levels = levels_of(build, env)
    # cordon's own default is the one level that it then lacks
    by_default = python_program if "process" in levels else (
        lambda p, env: left_out(os.path.basename(p)))
    return [
        ("tree", [(simple, (["/bin/sh", p], env, os.path.basename(p)))
                  for p in files("tests", r".*\.sh")
                  if os.path.basename(p) != "one.sh"]),
        ("units", [(check_program, (p, env)) for p in units]),
        ("fuzz", [(simple, (["/bin/sh", one, os.path.join(build, p)], env,
                            os.path.basename(p)))
                  for p in listed("FUZZ_TARGETS")]),
        ("docs", [(by_default, (os.path.join(TOP, "tests", "readme.py"),
                                env))]),
        ("cli", [(by_default, (p, env))
                 for p in files("tests", r"cli_.*test\.py")]),
        ("policy", [(python_program, (os.path.join(
            TOP, "tests", "oracle_policy.py"), env))]),
        ("lua", [(lua_program, (p, env, level))
                 for level in levels for p in lua] +
                [(python_program, (os.path.join(TOP, "tests", "oracle_lua.py"),
                                   env, level))
                 for level in sorted(levels)[-1:]]),
        ("hostile", hostile_work(build, env, levels) +
                    [(python_program, (os.path.join(
                        TOP, "tests", "random_programs.py"), env))]),
        ("peer", [(python_program, (p, env, level))
                  for level in levels
                  for p in files("tests/peer", r"test_.*\.py")]),
    ]


def environment(build):
    env = dict(os.environ)
    env.update(
        top_srcdir=TOP, top_builddir=build,
        CORDON=os.path.join(build, "cordon"),
        NODE_PATH="/usr/share/nodejs",
        PYTHONDONTWRITEBYTECODE="1",
        LC_ALL="C.UTF-8",
        # a status that no test expects
        ASAN_OPTIONS="exitcode=99:detect_stack_use_after_return=1",
        # LeakSanitizer of gcc 12 can crash on the thread-local storage of what
        # was loaded later (cordon-regex.so)
        LSAN_OPTIONS="exitcode=99:use_tls=0",
        UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:exitcode=99")
    for name in ("NO_COLOR", "http_proxy", "https_proxy", "all_proxy",
                 "MAKEFLAGS", "MAKELEVEL"):
        env.pop(name, None)
    return env


def weight(work):
    """About how long it takes, to begin with what is long: in seconds."""
    function, arguments = work
    word = arguments[0] if isinstance(arguments[0], str) else arguments[2]
    name = os.path.basename(word)
    known = SECONDS.get(name, 1.0)
    if function is check_program and len(arguments) > 2:  # valgrind
        return 10 * known
    return known


def tell(output):
    for line in output.rstrip().splitlines()[-60:]:
        print("    " + line)


class Group:
    """The programs of one line of the report."""

    def __init__(self, label, name, work):
        self.label = label
        self.name = name
        self.work = work
        self.results = [None] * len(work)
        self.left = len(work)

    def report(self):
        """Prints it, and returns how many passed, failed, were skipped."""
        results = self.results
        good = sum(r.passed for r in results)
        bad = sum(r.failed for r in results)
        skips = sum(r.skipped for r in results)
        print("%-9s %-8s %5d passed%s%s  (%.0f s)" % (
            self.label, self.name, good, ", %d failed" % bad if bad else "",
            ", %d skipped" % skips if skips else "",
            sum(r.seconds for r in results)))
        for r in results:
            if r.skipped and not r.failed and not r.passed:
                print("  %s %s: %s" % (
                    self.label, r.name, r.output.strip().splitlines()[-1:]))
            if r.failed:
                print("  %s %s failed:" % (self.label, r.name))
                tell(r.output)
            elif r.unsteady is not None:
                print("  %s %s is unsteady: it failed, and passed alone:" % (
                    self.label, r.name))
                tell(r.unsteady)
        sys.stdout.flush()
        return good, bad, skips


def timed(function, arguments):
    begin = time.monotonic()
    result = function(*arguments)
    result.seconds = time.monotonic() - begin
    return result


def run_all(all_groups):
    """Runs them side by side; reports each group when it and those before it
    are through.  Numbers of passed, failed, skipped."""
    jobs = [(weight(work), group, i)
            for group in all_groups for i, work in enumerate(group.work)]
    jobs.sort(key=lambda job: -job[0])
    totals = [0, 0, 0]
    waiting = list(all_groups)
    again = []

    def ended(group, i, result):
        group.results[i] = result
        group.left -= 1
        while waiting and waiting[0].left == 0:
            for n, more in enumerate(waiting.pop(0).report()):
                totals[n] += more

    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        futures = {pool.submit(timed, *group.work[i]): (group, i)
                   for _, group, i in jobs}
        for future in concurrent.futures.as_completed(futures):
            group, i = futures[future]
            result = future.result()
            if (result.failed and len(again) < UNSTEADY_MAX and
                    not NO_CHANCE.search(result.output)):
                again.append((group, i, result))
            else:
                ended(group, i, result)
    for group, i, first in again:
        second = timed(*group.work[i])
        second.unsteady = first.output
        ended(group, i, first if second.failed else second)
    return totals


def main(arguments):
    # a shell ignores it for what it starts in the background, and so would all
    # that is tested
    signal.signal(signal.SIGINT, signal.default_int_handler)
    only = []
    builds = []
    slowest = 0
    while arguments:
        word = arguments.pop(0)
        if word == "--only" and arguments:
            only.append(arguments.pop(0))
        elif word == "--slowest" and arguments and arguments[0].isdigit():
            slowest = int(arguments.pop(0))
        elif "=" in word:
            label, folder = word.split("=", 1)
            builds.append((label, os.path.abspath(folder)))
        else:
            print(__doc__, file=sys.stderr)
            return 2
    all_groups = [
        Group(label, name, work)
        for label, build in builds
        for name, work in groups(label, build, environment(build))
        if work and (not only or name in only)]
    # what a caller ignores (as nohup does), programs would ignore too
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM,
                   signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    begin = time.monotonic()
    passed, failed, _ = run_all(all_groups)
    done = sorted(((r.seconds, group.label, r.name)
                   for group in all_groups for r in group.results),
                  reverse=True)
    for line in done[:slowest]:
        print("%7.1f s  %s %s" % line)
    if slowest:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        print("%7.1f s in all, %.1f s of processor time" % (
            time.monotonic() - begin, usage.ru_utime + usage.ru_stime))
    if passed == 0 and failed == 0:
        print("no test ran", file=sys.stderr)
        failed = 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
