#!/usr/bin/python3
"""oracle_url.py - the rules for URLs once more, from the page "Canonical URL" of
the policy language alone, and a seeded generator of nasty URLs.

It shares nothing with runtime/base/url.c: where the C code scans bytes, this
splits, decodes and compares, slowly and plainly.

  oracle_url.py generate [-n 20000] [-s SEED]   JSON lines on stdout:
      {"id", "url", "faults", "valid", "canonical", "reason"}
    |faults| is how many things the generator broke; with more than one the
  oracle_url.py judge URL...                    the same for these URLs
  oracle_url.py compare FILE                    FILE has lines of a generator;
      stdin has lines {"id", "valid", "canonical", "reason"} of a program under
      test; status 1 and the first differences when they disagree
"""
import argparse
import ipaddress
import json
import random
import re
import sys

MAX_BYTES = 2048
ALPHA = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
UNRESERVED = set(ALPHA + ALPHA.upper() + DIGITS + "-._~")
SUB_DELIMS = set("!$&'()*+,;=")
PCHAR = UNRESERVED | SUB_DELIMS | set(":@")
LABEL = re.compile(r"[a-z0-9_-]{1,63}\Z")


class Refused(Exception):
    pass


def to_bytes(url):
    return url if isinstance(url, bytes) else url.encode("utf-8")


def escapes(text, slashes_refused):
    """Text with its escapes normalised, as a list of one- or three-character
    tokens."""
    tokens = []
    faults = []
    i = 0
    while i < len(text):
        if text[i] != "%":
            tokens.append(text[i])
            i += 1
            continue
        digits = text[i + 1:i + 3]
        if not re.fullmatch("[0-9A-Fa-f]{2}", digits):
            raise Refused("escape")
        value = int(digits, 16)
        if value < 0x20 or value == 0x7F:
            raise Refused("escape")
        if slashes_refused and chr(value) in "/\\":
            faults.append("encoded-slash")
        if chr(value) in UNRESERVED:
            tokens.append(chr(value))
        else:
            tokens.append("%%%02X" % value)
        i += 3
    if faults:
        raise Refused(faults[0])
    return tokens


def judge_path(text):
    if text == "":
        return "/"
    tokens = escapes(text, True)
    segments = "".join(tokens).split("/")[1:]
    if "." in segments or ".." in segments:
        raise Refused("dot-segment")
    if "" in segments[:-1]:
        raise Refused("empty-segment")
    for t in tokens:
        if len(t) == 1 and t != "/" and t not in PCHAR:
            raise Refused("path")
    return "".join(tokens)


def judge_query(text):
    tokens = escapes(text, False)
    for t in tokens:
        if len(t) == 1 and t not in "/?" and t not in PCHAR:
            raise Refused("query")
    return "".join(tokens)


def strict_quad(text):
    parts = text.split(".")
    if len(parts) != 4:
        return False
    return all(re.fullmatch("0|[1-9][0-9]{0,2}", p) and int(p) < 256
               for p in parts)


def judge_v6(text):
    bare, percent, _ = text.partition("%")
    head, colon, tail = bare.rpartition(":")
    if "." in bare and not (colon and strict_quad(tail)):
        raise Refused("ipv6")
    if not re.fullmatch("[0-9A-Fa-f:.]+", bare):
        raise Refused("ipv6")
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        raise Refused("ipv6") from None
    if percent:
        raise Refused("ipv6-zone")
    number = int(address)
    if "." in bare:
        raise Refused("ipv4-in-ipv6")
    if number >> 32 == 0xFFFF:
        raise Refused("ipv4-in-ipv6")
    if number >> 32 == 0 and number > 1:
        raise Refused("ipv4-in-ipv6")
    return "[" + rfc5952(number) + "]"


def rfc5952(number):
    groups = ["%x" % (number >> shift & 0xFFFF) for shift in range(112, -1, -16)]
    best = max(((n, -at) for at in range(8) for n in range(2, 9 - at)
                if groups[at:at + n] == ["0"] * n), default=None)
    if best is None:
        return ":".join(groups)
    n, at = best[0], -best[1]
    return ":".join(groups[:at]) + "::" + ":".join(groups[at + n:])


def judge_host(host):
    host = host.lower()
    if host.endswith("."):
        host = host[:-1]
    labels = host.split(".")
    if len(host) > 253:
        raise Refused("host")
    for label in labels:
        if not LABEL.match(label) or label[0] == "-" or label[-1] == "-":
            raise Refused("host")
    last = labels[-1]
    if last.isdigit() or last.startswith("0x"):
        if not strict_quad(host):
            raise Refused("ipv4-form")
    return host


def judge(url):
    """The canonical URL, or Refused."""
    raw = to_bytes(url)
    if len(raw) > MAX_BYTES:
        raise Refused("too-long")
    if any(b <= 0x20 or b == 0x7F for b in raw):
        raise Refused("control-or-space")
    if b"\\" in raw:
        raise Refused("backslash")
    if any(b >= 0x80 for b in raw):
        raise Refused("non-ascii")
    text = raw.decode("ascii")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("ws", "wss"):
        raise Refused("scheme")
    authority = re.match("[^/?#]*", rest).group()
    rest = rest[len(authority):]
    if "@" in authority:
        raise Refused("userinfo")
    if "#" in text:
        raise Refused("fragment")
    if authority.startswith("["):
        match = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", authority)
        if not match:
            raise Refused("ipv6")
        host, port = judge_v6(match.group(1)), match.group(2)
    else:
        host, colon, port = authority.partition(":")
        host, port = judge_host(host), port if colon else None
    if port is not None:
        if not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > 65535:
            raise Refused("port")
        if int(port) == {"ws": 80, "wss": 443}[scheme]:
            port = None
    path, question, query = rest.partition("?")
    canonical = scheme + "://" + host + (":" + port if port else "")
    canonical += judge_path(path)
    if question:
        canonical += "?" + judge_query(query)
    if len(canonical) > MAX_BYTES:  # or it would be refused the second time
        raise Refused("too-long")
    return canonical


def answer(url):
    try:
        canonical = judge(url)
    except Refused as refusal:
        return {"valid": False, "canonical": None, "reason": str(refusal)}
    again = judge(canonical)
    assert again == canonical, (url, canonical, again)
    return {"valid": True, "canonical": canonical, "reason": None}


# ------------------------------------------------------------- generator ---

class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, *choices):
        return self.r.choice(choices)

    def word(self, alphabet=ALPHA + DIGITS, low=1, high=8):
        return "".join(self.r.choice(alphabet)
                       for _ in range(self.r.randint(low, high)))

    def case(self, text):
        return "".join(self.pick(c.upper(), c.lower()) for c in text)

    def escape(self, char):
        return "%" + self.case("%02X" % ord(char))

    # -- parts without a fault, in every spelling
    def scheme(self):
        return self.pick("ws", "wss", "wss", self.case("ws"), self.case("wss"))

    def label(self):
        return self.pick(
            self.word(), self.word(), "xn--" + self.word(), "_" + self.word(),
            self.word() + "-" + self.word(), self.word() + "_", "a" * 63,
            "0" + self.word(ALPHA[6:]), "1a", "x0x1", "0y1", "--a"[2:])

    def name(self):
        labels = [self.label() for _ in range(self.r.randint(1, 4))]
        labels.append(self.pick("com", "example", "localhost", "c0m", "x", "_"))
        name = ".".join(labels)
        if self.r.random() < 0.03:  # 253 in all, and not one more
            name = ".".join(["a" * 63] * 3 + ["b" * 61])
        if self.r.random() < 0.2:
            name += "."
        return self.case(name) if self.r.random() < 0.3 else name

    def quad(self):
        return ".".join(str(self.pick(0, 1, 9, 10, 127, 169, 192, 255,
                                      self.r.randint(0, 255)))
                        for _ in range(4))

    def groups(self, n):
        return [self.pick("0", "0", "1", "ffff", "0db8", "00a", "2001",
                          "%x" % self.r.randint(0, 65535)) for _ in range(n)]

    def v6(self):
        if self.r.random() < 0.1:
            return self.pick("::", "::1", "0:0:0:0:0:0:0:0", "0::1",
                             "0:0:0:0:0:0:0:1", "::0:1", "64:ff9b::1",
                             "2002::", "::1:0:0", "::ffff:0:0:1",
                             "1::2:3:4:5:6:7", "1:2:3:4:5:6:7::",
                             "::2:3:4:5:6:7:8")
        first = self.pick("2001", "fd00", "fe80", "2a00", "1", "ff02")
        if self.r.random() < 0.4:
            text = ":".join([first] + self.groups(7))
        else:
            before = self.r.randint(0, 5)
            after = self.r.randint(0, 6 - before)
            text = (":".join([first] + self.groups(before)) + "::" +
                    ":".join(self.groups(after)))
        return self.case(text)

    def host(self):
        return self.pick(self.name, self.name, self.name, self.quad,
                         lambda: "[" + self.v6() + "]")()

    def port(self):
        return self.pick("", "", "", ":80", ":443", ":8443", ":1", ":65535",
                         ":%d" % self.r.randint(1, 65535))

    def text(self, extra, high=6):
        out = []
        for _ in range(self.r.randint(0, high)):
            out.append(self.pick(
                self.word(), self.word(), self.r.choice(extra),
                self.r.choice(sorted(PCHAR)),
                self.escape(self.r.choice(sorted(UNRESERVED - set(".")))),
                self.escape(self.r.choice(" \"<>[]^`{|}!$&'()*+,;=:@?#%")),
                self.pick("%C3%A9", "%c3%a9", "%FF", "%80", "%25", "%252F",
                          "%255c", "%25%32%46", "%3f", "%23", "%2e%2E%2e",
                          "*", "a%2Eb")))
        return "".join(out)

    def path(self):
        if self.r.random() < 0.2:
            return ""
        segments = []
        for _ in range(self.r.randint(0, 3)):
            s = self.text("~;:@", 4)
            plain = s.replace("%2e", ".").replace("%2E", ".")
            segments.append("x" if plain in ("", ".", "..") else s)
        tail = self.pick("", "a", self.word(), "...", "..a", ".a", "a..", "..;")
        return "/" + "/".join(segments + [tail])

    def query(self):
        return self.pick("", "", "?", "?" + self.text("/?%", 0),
                         "?" + self.text("/?", 6),
                         "?a=" + self.pick("..", "/../", "//", "%2F", "%5c",
                                           "wss://evil.example/", "@", "?"))

    def plain(self):
        return [self.scheme(), "://", self.host(), self.port(), self.path(),
                self.query()]

    # -- single faults: each takes the parts of a good URL
    def fault_bytes(self, parts):
        bad = self.pick(" ", "\t", "\r", "\n", "\0", "\x7f", "\x1f", "\\",
                        "\u00e9", "\uff0e", "\u3002", "\u200b", "\u202e",
                        "\u2044", "\u00ad", "\x80", "\U0001f600")
        text = "".join(parts)
        at = self.pick(0, len(text), self.r.randint(0, len(text)))
        return [text[:at] + bad + text[at:]]

    def fault_scheme(self, parts):
        front = self.pick("http://", "https://", "ftp://", "ws:", "ws:/",
                          "wss:/", "ws:///"[:5] + "", "//", "", "wsx://",
                          "w://", "wsss://", "ws//", "ws;//", "xws://",
                          "javascript:", "wss:://", "wss.://", "w%73://",
                          "ws:/%2f")
        if front == "ws://":
            front = "wss:"
        return [front] + parts[2:]

    def fault_userinfo(self, parts):
        who = self.pick("user@", "user:pw@", "@", ":@", "%40@", "a@b@",
                        "good.example:443@", "[::1]@", "u%73er@")
        return parts[:2] + [who] + parts[2:]

    def fault_fragment(self, parts):
        where = self.r.randint(3, len(parts))
        return parts[:where] + ["#" + self.pick("", "f", "@x", "/../")] + \
            parts[where:]

    def fault_host(self, parts):
        parts[2] = self.pick(
            "", ".", "..", "a..b", ".a", "a..", "-a", "a-", "a.-b.c", "a-.b",
            "a%2eb", "%61.example", "a!b", "a$b", "a*b", "*", "a~b", "(a)",
            "a'b", "a,b", "a;b", "a=b", "a&b", "a+b", "<a>", "a^b", "a|b",
            "a`b", "{a}", '"a"', "a" * 64, "a" * 64 + ".b", "x." * 127 + "a",
            ".".join(["a" * 63] * 4), "a]b", "]", "a[b", "a[::1]", "-", "a.-",
            "-.a", "a.b-", "1.2.3.4-", "-1.2.3.4", "1..2.3", "1.2.3.%34")
        if self.r.random() < 0.3 and parts[2] and parts[2][-1] != ".":
            parts[2] += "."
        return parts

    def fault_ipv4(self, parts):
        parts[2] = self.pick(
            "1", "127.1", "127.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433",
            "017700000001", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "01.2.3.4",
            "1.2.3.04", "0300.0.0.1", "1.2.3.0x4", "a.1", "a.b.0x1", "0x",
            "a.0x", "0X7F.1", "a.0xg", "1.2.3.1000", "00.0.0.0", "999",
            "example.com.1", "1.2.3.4.0x0", "09", "a.08", "1.2.3", "0.0.0.00")
        if self.r.random() < 0.2:
            parts[2] += "."
        return parts

    def fault_ipv6(self, parts):
        parts[2] = self.pick(
            "[", "[]", "[:]", "[:::]", "[::1", "[1]", "[1:2:3:4:5:6:7]",
            "[1:2:3:4:5:6:7:8:9]", "[1::2::3]", "[12345::]", "[g::]",
            "[1:2:3:4:5:6:7:8::]", "[::1:2:3:4:5:6:7:8]", "[1:]", "[:1]",
            "[::1:]", "[v1.a]", "[::1.2.3]", "[::1.2.3.4.5]", "[::1.2.3.256]",
            "[::01.2.3.4]", "[1.2.3.4]", "[::1]a", "[::1]]", "[[::1]]",
            "[::1].", "[1:2:3:4:5:6:7:1.2.3.4]", "[::1.2.3.4:5]", "[0x1::]",
            "[::-1]", "[::ffff:1.2.3]", "[1:2:3:4::5:6:7:8]", "[.]", "[::.]",
            "[a.example]", "[00000::1]")
        return parts

    def fault_zone(self, parts):
        parts[2] = "[" + self.v6() + self.pick("%25eth0", "%eth0", "%", "%251",
                                               "%1", "%25") + "]"
        return parts

    def fault_embedded(self, parts):
        tail = self.pick(self.quad(), "%x:%x" % (self.r.randint(0, 65535),
                                                 self.r.randint(2, 65535)))
        front = self.pick("::ffff:", "0:0:0:0:0:ffff:", "::FFFF:",
                          "0::0:ffff:", "0:0::ffff:")
        if self.r.random() < 0.4:
            front = self.pick("::", "0::", "0:0:0:0:0:0:", "::0:0:")
        if front != "::" and self.r.random() < 0.2:
            front, tail = self.pick("64:ff9b::", "2001:db8::", "fe80::"), \
                self.quad()
        parts[2] = "[" + front + tail + "]"
        if parts[2] in ("[::0:0]", "[::0:1]"):
            parts[2] = "[::2]"
        return parts

    def fault_port(self, parts):
        parts[3] = ":" + self.pick(
            "", "0", "00", "080", "0443", "65536", "99999", "100000", "-1",
            "+80", "80a", "a", "8.0", "%38%30", "443:443", ":80", "0x50", "1e3",
            "4294967376", "18446744073709551696", "00000000080", "!", "80;",
            "*", "65536:1")
        return parts

    def fault_path(self, parts):
        parts[4] = self.pick("/a/", "/", "/a%20b/") + self.pick(
            "%", "%2", "%zz", "%2g", "%%", "%u002f", "% 20"[:2], "%00", "%0a",
            "%1F", "%7f", "%2f", "%2F", "%5c", "%5C", "x%2Fy", ".", "..",
            "%2e", "%2E%2e", ".%2e", "%2e.", "./a", "../a", "%2e%2e/a", "/a",
            "a//b", "//", "/", "\"", "<", ">", "[", "]", "^", "`", "{", "|",
            "}", "a<b", "..%2fa"[:2] + "/x", "a/..", "a/.")
        if parts[4] == "//":
            parts[4] = "//a"
        return parts

    def fault_query(self, parts):
        parts[5] = "?" + self.text("/?", 2) + self.pick(
            "%", "%2", "%zz", "%0", "%00", "%0D%0A", "%1f", "%7F", "\"", "<",
            ">", "[", "]", "^", "`", "{", "|", "}", "a[]=1", "%%20", "%G0")
        return parts

    def fault_length(self, parts):
        text = "".join(parts[:4]) + "/"
        want = MAX_BYTES + self.pick(1, 2, 10, 5000)
        return [text + "a" * (want - len(text))]

    FAULTS = [fault_bytes, fault_scheme, fault_userinfo, fault_fragment,
              fault_host, fault_ipv4, fault_ipv6, fault_zone, fault_embedded,
              fault_port, fault_path, fault_query, fault_length]

    def at_limit(self):
        """Good URLs of about the greatest length."""
        parts = self.plain()
        parts[4], parts[5] = self.pick("/", ""), "?"
        text = "".join(parts)
        return text + "a" * (MAX_BYTES - self.r.randint(0, 3) - len(text))

    def url(self):
        """A URL and the number of faults put into it."""
        roll = self.r.random()
        if roll < 0.01:
            return self.at_limit(), 0
        if roll < 0.45:
            return "".join(self.plain()), 0
        parts = self.r.choice(self.FAULTS)(self, self.plain())
        if roll < 0.95 or len(parts) < 6:
            return "".join(parts), 1
        return "".join(self.r.choice(self.FAULTS)(self, parts)), 2


def generate(count, seed):
    g = Generator(seed)
    for n in range(count):
        url, faults = g.url()
        row = {"id": n, "url": url, "faults": faults}
        row.update(answer(url))
        yield row


def compare(path):
    with open(path, encoding="utf-8") as f:
        want = {row["id"]: row for row in map(json.loads, f)}
    seen, wrong = set(), 0
    for line in sys.stdin:
        got = json.loads(line)
        row = want[got["id"]]
        seen.add(got["id"])
        same = all(got.get(k) == row[k]
                   for k in ("valid", "canonical", "reason"))
        if not same:
            wrong += 1
            if wrong <= 20:
                print("%r (%d faults): got %s, want %s" % (
                    row["url"], row["faults"],
                    got.get("canonical") or got.get("reason"),
                    row["canonical"] or row["reason"]), file=sys.stderr)
    missing = len(want) - len(seen)
    print("%d compared, %d differ, %d unanswered" % (len(seen), wrong, missing))
    return 1 if wrong or missing else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = parser.add_subparsers(dest="command", required=True)
    p = sub.add_parser("generate")
    p.add_argument("-n", type=int, default=20000)
    p.add_argument("-s", type=int, default=1)
    p = sub.add_parser("judge")
    p.add_argument("urls", nargs="+")
    p = sub.add_parser("compare")
    p.add_argument("file")
    args = parser.parse_args()
    if args.command == "generate":
        for row in generate(args.n, args.s):
            print(json.dumps(row))
    elif args.command == "judge":
        for url in args.urls:
            print(json.dumps(dict(answer(url), url=url)))
    else:
        return compare(args.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
