#!/usr/bin/python3
"""The packages against what make install leaves, and the deployments against the
program: cheap checks; packaging/build-deb and packaging/reproducible do the real
thing."""

import fnmatch
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("top_builddir") or os.path.join(TOP, "build")
CORDON = os.environ.get("CORDON") or os.path.join(BUILD, "cordon")
DEBIAN = os.path.join(TOP, "packaging", "debian")


def text(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def variable(name):
    with open(os.path.join(BUILD, "Makefile")) as f:
        return re.search(r"^%s *= *(.*)$" % name, f.read(), re.M)[1]


class Packaging(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cordon-packaging-")
        self.addCleanup(shutil.rmtree, self.folder)

    def installed(self):
        """What make install leaves, as packaging/debian/rules moves it."""
        done = subprocess.run(
            ["make", "-s", "-C", BUILD, "install", "DESTDIR=" + self.folder],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        prefix = self.folder + variable("prefix")
        found = []
        for folder, _, names in os.walk(prefix):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), prefix)
                if path.endswith((".la", ".a")):
                    continue
                path = re.sub(r"^(lib|libexec)/cordon/", "lib/cordon0/", path)
                path = re.sub(r"^lib/", "lib/x86_64-linux-gnu/", path)
                path = path.replace("zsh/site-functions",
                                    "zsh/vendor-completions")
                found.append("usr/" + path)
        return found

    def test_debian_lists(self):
        """Every file that is installed is in one package, and every line of a
        list stands for a file."""
        found = self.installed()
        self.assertGreater(len(found), 20)
        patterns = []
        for name in sorted(os.listdir(DEBIAN)):
            if name.endswith(".install"):
                patterns += [(name, line) for line in
                             text("packaging", "debian", name).split()]
        used = set()
        for path in found:
            matched = [(name, p) for name, p in patterns
                       if fnmatch.fnmatch(path, p)
                       or fnmatch.fnmatch(path, p + "/*")]
            self.assertEqual(len(matched), 1, path)
            used.update(matched)
        self.assertEqual(set(patterns) - used, set())
        for name in os.listdir(DEBIAN):
            if name.endswith((".docs", ".examples")):
                for pattern in text("packaging", "debian", name).split():
                    done = subprocess.run("ls -d " + pattern, shell=True,
                                          cwd=TOP, stdout=subprocess.DEVNULL)
                    self.assertEqual(done.returncode, 0, pattern)

    def test_debian_control(self):
        control = text("packaging", "debian", "control")
        packages = re.findall(r"^Package: (.*)$", control, re.M)
        lists = [n[:-len(".install")] for n in os.listdir(DEBIAN)
                 if n.endswith(".install")]
        self.assertEqual(sorted(packages), sorted(lists))
        version = re.search(r"AC_INIT\(\[cordon\], \[(.*?)\]\)",
                            text("configure.ac"))[1]
        self.assertRegex(text("packaging", "debian", "changelog"),
                         r"\Acordon \(%s-\d+\) " % re.escape(version))
        info = re.search(r"-version-info (\d+):\d+:(\d+)",
                         text("Makefile.am"))
        self.assertIn("libcordon%d" % (int(info[1]) - int(info[2])), packages)
        # what scripts/deps installs to build, the package asks for
        deps = re.search(r'packages="(.*?)"', text("scripts", "deps"),
                         re.S)[1].split()
        for name in deps:
            if name.endswith("-dev") and name != "libc6-dev":
                self.assertRegex(control, r"\n %s\b" % name)
                self.assertIn(name, text("packaging", "Containerfile"))

    def test_scripts(self):
        for name in ("build-deb", "image-root", "reproducible"):
            path = os.path.join(TOP, "packaging", name)
            self.assertTrue(os.access(path, os.X_OK), name)
            self.assertEqual(subprocess.run(["sh", "-n", path]).returncode, 0)

    def test_job(self):
        """The Job: restricted, and its script and policy are good."""
        config, job = yaml.safe_load_all(text("examples", "deploy",
                                              "job.yaml"))
        for name, data in config["data"].items():
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(data)
        pod = job["spec"]["template"]["spec"]
        container, = pod["containers"]
        # https://kubernetes.io/docs/concepts/security/pod-security-standards/
        self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        self.assertEqual(pod["securityContext"]["seccompProfile"]["type"],
                         "RuntimeDefault")
        own = container["securityContext"]
        self.assertFalse(own["allowPrivilegeEscalation"])
        self.assertTrue(own["readOnlyRootFilesystem"])
        self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
        arguments = [a.replace("/job/", self.folder + "/")
                     .replace("/audit/", self.folder + "/")
                     for a in container["args"]]
        done = subprocess.run([CORDON, arguments[0], "--dry-run",
                               *arguments[1:]],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1, done.stderr.decode())
        self.assertNotIn(b"denied", done.stderr)
        with open(os.path.join(self.folder, "prices.jsonl")) as f:
            self.assertIn('"decision":"allow"', f.read())
        done = subprocess.run([CORDON, "check", self.folder],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stdout.decode())


if __name__ == "__main__":
    unittest.main(verbosity=1)
