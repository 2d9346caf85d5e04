"""A zoo of certificates, made by openssl for the occasion: each bad one is
refused with the reason that is its own, the good ones are accepted."""

import os
import re
import shutil
import ssl
import subprocess
import tempfile
import unittest
import warnings

from peer import PeerTest, RawServer, main, read_head, switching

POLICY = """\
version: "1.0"
namespace: test
entries:
  - name: zoo
    kind: security.policy
    policy:
      actions: [websocket.connect, websocket.connect.url,
                websocket.connect.address]
      resources: "*"
      effect: allow
"""

REPORT = """
local websocket = require "websocket"
for i = 1, #arg do
  local client, err = websocket.connect(arg[i])
  if client then
    print "accepted"
    client:close()
  else
    local d = err:details()
    print(err:kind(), err:retryable(), d.stage, d.status, d.reason)
  end
end
"""


class Zoo:
    """Keys, authorities and what they signed, in a folder of their own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="cordon-zoo-")
        self.serial = 100

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, cwd=self.folder,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def key(self, kind):
        name = kind + ".key"
        if not os.path.exists(self.path(name)):
            if kind.startswith("rsa"):
                self.openssl("genrsa", "-out", name, kind[3:])
            else:
                self.openssl("ecparam", "-name", kind, "-genkey", "-noout",
                             "-out", name)
        return name

    def make(self, name, ca=None, san="DNS:localhost", key="prime256v1",
             extensions=(), digest="sha256", days=("20200101000000Z",
                                                   "20991231235959Z"),
             basic="critical,CA:FALSE", cn=None):
        """A certificate; `openssl ca` is the tool that takes any dates."""
        self.serial += 1
        lines = ["basicConstraints=" + basic] if basic else []
        lines += ["subjectAltName=" + san] if san else []
        with open(self.path(name + ".cnf"), "w") as f:
            f.write("""
[ca]
default_ca = this
[this]
database = {0}.db
serial = {0}.srl
new_certs_dir = .
policy = any
unique_subject = no
default_md = {1}
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[ext]
{2}
""".format(name, digest, "\n".join([*lines, *extensions])))
        open(self.path(name + ".db"), "w").close()
        with open(self.path(name + ".srl"), "w") as f:
            f.write("%04X\n" % self.serial)
        own_key = self.key(key)
        shutil.copy(self.path(own_key), self.path(name + ".key"))
        self.openssl("req", "-new", "-config", name + ".cnf", "-key",
                     name + ".key", "-subj", "/CN=" + (cn or name), "-out",
                     name + ".csr")
        signer = ["-cert", ca + ".pem", "-keyfile", ca + ".key"] if ca else [
            "-selfsign", "-keyfile", name + ".key"]
        self.openssl("ca", "-batch", "-notext", "-config", name + ".cnf",
                     "-extensions", "ext", "-startdate", days[0], "-enddate",
                     days[1], "-in", name + ".csr", "-out", name + ".pem",
                     *signer)

    def authority(self, name, ca=None, basic="critical,CA:TRUE", **kw):
        kw.setdefault("extensions", ["keyUsage=critical,keyCertSign,cRLSign"])
        self.make(name, ca, san=None, basic=basic, **kw)

    def context(self, leaf, *chain):
        """A server that shows |leaf| and the intermediates |chain|."""
        text = ""
        for name in (leaf, *chain):
            with open(self.path(name + ".pem")) as f:
                text += f.read()
        bundle = self.path(leaf + ".bundle")
        with open(bundle, "w") as f:
            f.write(text)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(bundle, self.path(leaf + ".key"))
        return context


class Certificates(PeerTest):
    @classmethod
    def setUpClass(cls):
        cls.zoo = zoo = Zoo()
        cls.addClassCleanup(shutil.rmtree, zoo.folder, True)
        # each with a key of its own: a name alone shall not do
        zoo.authority("root")
        shutil.copy(zoo.path("prime256v1.key"), zoo.path("root.key"))
        zoo.key("secp384r1")

    def serve(self, context):
        def handler(peer):
            peer.sendall(switching(read_head(peer)[1]))
            while peer.recv(4096):
                pass
        return self.enter(RawServer(handler, context))

    def judge(self, cases, ca="root"):
        """|cases|: (server context, host, what it must say; None: good)"""
        urls = ["wss://%s:%d/" % (host, self.serve(context).port)
                for context, host, _ in cases]
        outcome = self.check(REPORT, *urls, policy=POLICY,
                             options=["--ca", self.zoo.path(ca + ".pem")])
        self.assertEqual(len(outcome.lines), len(cases), outcome)
        for (_, host, says), line in zip(cases, outcome.lines):
            if says is None:
                self.assertEqual(line, "accepted", host)
            else:
                words = line.split("\t", 4)
                self.assertEqual(words[:4], ["Internal", "true", "tls", "nil"],
                                 (line, host, says))
                self.assertRegex(words[4], "^%s$" % says)

    def leaf(self, name, ca="root", chain=(), **kw):
        self.zoo.make(name, ca, **kw)
        return self.zoo.context(name, *chain)

    def test_dates(self):
        self.judge([
            (self.leaf("now"), "localhost", None),
            (self.leaf("over", days=("20200101000000Z", "20210203040506Z")),
             "localhost", r"certificate has expired \(CN=over, not after "
             "2021-02-03T04:05:06Z\\)"),
            (self.leaf("early", days=("20980102030405Z", "20991231235959Z")),
             "localhost", r"certificate is not valid yet \(CN=early, not "
             "before 2098-01-02T03:04:05Z\\)")])

    def test_dates_of_an_authority(self):
        zoo = self.zoo
        zoo.authority("old-ca", "root", days=("20200101000000Z",
                                              "20210203040506Z"))
        self.judge([(self.leaf("of-old-ca", "old-ca", ["old-ca"]),
                     "localhost", r"certificate has expired \(CN=old-ca, not "
                     "after 2021-02-03T04:05:06Z\\)")])

    def test_names(self):
        def mismatch(names, host):
            return "certificate is for %s, not for %s" % (
                re.escape(names), re.escape(host))
        none = "no name (it has no subjectAltName)"
        plain = self.leaf("plain", san="DNS:localhost,DNS:other.example")
        star = self.leaf("star", san="DNS:*.b.localhost")
        cases = [(plain, "localhost", None), (plain, "LOCALHOST", None),
                 (plain, "localhost.", None),
                 (star, "a.b.localhost", None)]
        for host in ("b.localhost", "x.a.b.localhost", "a.c.localhost",
                     "localhost"):
            cases.append((star, host, mismatch("*.b.localhost", host)))
        for i, san in enumerate((
                "*", "*.localhost", "*.*.localhost", "a*.b.localhost",
                "*a.b.localhost", "a.*.localhost", "*.*", "a.b.*",
                "a.b.localhost.evil.example", "evil.a.b.localhost.x",
                ".b.localhost", "b.localhost")):
            cases.append((self.leaf("abuse%d" % i, san="DNS:" + san),
                          "a.b.localhost", mismatch(san, "a.b.localhost")))
        cases += [
            # the common name counts for nothing, nor does another kind of name
            (self.leaf("cn", san=None, cn="localhost"), "localhost",
             mismatch(none, "localhost")),
            (self.leaf("cn2", san="DNS:other.example", cn="localhost"),
             "localhost", mismatch("other.example", "localhost")),
            (self.leaf("mail", san="email:me@localhost", cn="localhost"),
             "localhost", mismatch(none, "localhost")),
            (self.leaf("uri", san="URI:wss://localhost/", cn="localhost"),
             "localhost", mismatch(none, "localhost")),
            # "localhost\0.evil.example" in DER
            (self.leaf("nul", san="DER:301882166c6f63616c686f7374002e6576696c"
                       "2e6578616d706c65"),
             "localhost", "certificate is for localhost.*, not for localhost")]
        self.judge(cases)

    def test_addresses(self):
        v4 = self.leaf("v4", san="IP:127.0.0.1")
        name = self.leaf("v4-as-name", san="DNS:127.0.0.1", cn="127.0.0.1")
        self.judge([
            (v4, "127.0.0.1", None),
            (v4, "localhost",
             "certificate is for 127.0.0.1, not for localhost"),
            (self.leaf("v4-other", san="IP:127.0.0.2,IP:::1"), "127.0.0.1",
             "certificate is for 127.0.0.2, ::1, not for 127.0.0.1"),
            (name, "127.0.0.1",
             "certificate is for 127.0.0.1, not for 127.0.0.1"),
            (self.leaf("star-ip", san="DNS:*.0.0.1"), "127.0.0.1",
             r"certificate is for \*.0.0.1, not for 127.0.0.1"),
            (self.leaf("v6-mapped", san="IP:::ffff:127.0.0.1"), "127.0.0.1",
             "certificate is for ::ffff:127.0.0.1, not for 127.0.0.1"),
            (self.leaf("cn-ip", san=None, cn="127.0.0.1"), "127.0.0.1",
             r"certificate is for no name \(it has no subjectAltName\), not "
             "for 127.0.0.1")])

    def test_chains(self):
        zoo = self.zoo
        zoo.authority("middle", "root", key="secp384r1")
        zoo.authority("short", "root", basic="critical,CA:TRUE,pathlen:0",
                      key="secp384r1")
        zoo.authority("below-short", "short", key="secp521r1")
        zoo.make("no-ca", "root", key="secp384r1",
                 extensions=["keyUsage=critical,digitalSignature"])
        zoo.authority("no-basic", "root", basic=None, key="secp384r1")
        zoo.authority("no-sign", "root", key="secp384r1",
                      extensions=["keyUsage=critical,cRLSign"])
        zoo.authority("other-root", key="secp521r1")
        # the name of ours, and another key
        zoo.authority("false-root", key="secp521r1", cn="root")
        missing = ("certificate comes from an authority that is not trusted, "
                   r"or an intermediate is missing \(CN=%s, issued by CN=%s\)")
        untrusted = ("certificate comes from an authority that is not trusted "
                     r"\(CN=%s\)")
        zoo.make("self")
        self.judge([
            (self.leaf("of-middle", "middle", ["middle"]), "localhost", None),
            (self.leaf("of-middle2", "middle"), "localhost",
             missing % ("of-middle2", "middle")),
            (self.leaf("of-below", "below-short", ["below-short", "short"]),
             "localhost", r"certificate is not accepted: path length "
             r"constraint exceeded \(CN=\S+\)"),
            (self.leaf("of-leaf", "no-ca", ["no-ca"]), "localhost",
             r"certificate is not accepted: invalid CA certificate "
             r"\(CN=no-ca\)"),
            (self.leaf("of-no-basic", "no-basic", ["no-basic"]), "localhost",
             r"certificate is not accepted: invalid CA certificate "
             r"\(CN=no-basic\)"),
            (self.leaf("of-no-sign", "no-sign", ["no-sign"]), "localhost",
             r"certificate is not accepted: .*\(CN=.*\)"),
            (self.leaf("of-other", "other-root", ["other-root"]), "localhost",
             untrusted % "other-root"),
            (self.leaf("of-other2", "other-root"), "localhost",
             missing % ("of-other2", "other-root")),
            (self.leaf("of-false", "false-root", ["false-root"]), "localhost",
             "certificate .*(not trusted|signature failure).*"),
            (zoo.context("self"), "localhost",
             r"certificate is self-signed and not trusted \(CN=self\)")])

    def test_a_long_chain(self):
        zoo, above = self.zoo, "root"
        chain = []
        for i in range(1, 12):
            name = "link%d" % i
            zoo.authority(name, above)
            chain.insert(0, name)
            above = name
            if i >= 10:
                self.judge([(self.leaf("end%d" % i, above, list(chain)),
                             "localhost", None if i == 10 else
                             "certificate is not accepted: certificate chain "
                             r"too long \(CN=.*\)")])

    def test_constraints(self):
        zoo = self.zoo
        zoo.authority("only", "root", key="secp384r1", extensions=[
            "nameConstraints=critical,permitted;DNS:b.localhost"])
        zoo.authority("never", "root", key="secp384r1", extensions=[
            "nameConstraints=critical,excluded;DNS:b.localhost"])
        zoo.authority("for-clients", "root", key="secp384r1", extensions=[
            "extendedKeyUsage=clientAuth"])

        def refused(what):
            return r"certificate is not accepted: %s \(CN=.*\)" % what
        self.judge([
            (self.leaf("in-only", "only", ["only"], san="DNS:a.b.localhost"),
             "a.b.localhost", None),
            (self.leaf("out-of-only", "only", ["only"]), "localhost",
             refused("permitted subtree violation")),
            (self.leaf("in-never", "never", ["never"],
                       san="DNS:a.b.localhost"), "a.b.localhost",
             refused("excluded subtree violation")),
            (self.leaf("client", extensions=["extendedKeyUsage=clientAuth"]),
             "localhost", refused("unsuitable certificate purpose")),
            (self.leaf("code", extensions=["extendedKeyUsage=codeSigning"]),
             "localhost", refused("unsuitable certificate purpose")),
            (self.leaf("of-clients", "for-clients", ["for-clients"]),
             "localhost", refused("unsuitable certificate purpose")),
            (self.leaf("server", extensions=[
                "extendedKeyUsage=clientAuth,serverAuth"]), "localhost", None),
            (self.leaf("critical", extensions=[
                "1.2.3.4=critical,ASN1:UTF8String:what"]), "localhost",
             refused("unhandled critical extension"))])

    def test_weakness(self):
        zoo = self.zoo
        zoo.authority("rsa-ca", "root", key="rsa2048")
        zoo.authority("weak-ca", "root", key="rsa1024")
        zoo.authority("sha1-ca", "root", digest="sha1", key="secp384r1")

        def weak(what):
            return r"certificate is not accepted: %s \(CN=.*\)" % what
        self.judge([
            (self.leaf("rsa", key="rsa2048"), "localhost", None),
            (self.leaf("weak", key="rsa1024"), "localhost",
             weak("EE certificate key too weak")),
            # too short even for the server to sign with in TLS 1.3
            (self.leaf("weakest", key="rsa512"), "localhost",
             weak("EE certificate key too weak") + "|TLS failed: .*"),
            (self.leaf("of-weak", "weak-ca", ["weak-ca"]), "localhost",
             weak("CA certificate key too weak")),
            (self.leaf("sha1", digest="sha1"), "localhost",
             weak("CA signature digest algorithm too weak")),
            (self.leaf("md5", "rsa-ca", ["rsa-ca"], digest="md5"), "localhost",
             weak("CA signature digest algorithm too weak")),
            (self.leaf("of-sha1", "sha1-ca", ["sha1-ca"]), "localhost",
             weak("CA signature digest algorithm too weak")),
            (self.leaf("curve", key="secp224r1"), "localhost", ".*")])

    def test_protocols(self):
        def context(**settings):
            c = self.zoo.context("now2")
            ciphers = settings.pop("ciphers", None)
            if ciphers:
                c.set_ciphers(ciphers)
            with warnings.catch_warnings():  # of what is old: it is the point
                warnings.simplefilter("ignore")
                for name, value in settings.items():
                    setattr(c, name, value)
            return c
        self.leaf("now2")
        v = ssl.TLSVersion
        h1, h2 = context(), context()
        h1.set_alpn_protocols(["h2", "http/1.1"])
        h2.set_alpn_protocols(["h2"])
        version = "TLS failed: .*(protocol|version).*"
        self.judge([
            (context(minimum_version=v.TLSv1_3), "localhost", None),
            (context(maximum_version=v.TLSv1_2), "localhost", None),
            (context(minimum_version=v.TLSv1, maximum_version=v.TLSv1_1),
             "localhost", version),
            (context(minimum_version=v.TLSv1, maximum_version=v.TLSv1),
             "localhost", version),
            (context(maximum_version=v.TLSv1_2,
                     ciphers="eNULL:@SECLEVEL=0"), "localhost",
             "TLS failed: .*(handshake|cipher).*"),
            (context(maximum_version=v.TLSv1_2,
                     ciphers="aNULL:@SECLEVEL=0"), "localhost",
             "TLS failed: .*(handshake|cipher).*"),
            (h1, "localhost", None),
            # a server that names none at all has agreed to nothing
            (h2, "localhost", None)])

    def test_a_server_that_insists_on_another_protocol(self):
        self.leaf("now3")
        for words, says in (
                (["-alpn", "h2"], "TLS failed: .*application protocol.*"),
                (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                 "TLS failed: .*(protocol|version).*")):
            server = subprocess.Popen(
                ["openssl", "s_server", "-accept", "127.0.0.1:0",
                 "-cert", self.zoo.path("now3.pem"), "-key",
                 self.zoo.path("now3.key"), *words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True)
            try:
                line = server.stdout.readline()
                while line and not line.startswith("ACCEPT"):
                    line = server.stdout.readline()
                port = re.match(r"ACCEPT \S+:(\d+)$", line)[1]
                outcome = self.check(
                    REPORT, "wss://localhost:%s/" % port, policy=POLICY,
                    options=["--ca", self.zoo.path("root.pem")])
                self.assertRegex(outcome.lines[0],
                                 "^Internal\ttrue\ttls\tnil\t" + says)
            finally:
                server.kill()
                server.stdin.close()
                server.stdout.close()
                server.wait()


if __name__ == "__main__":
    main()
