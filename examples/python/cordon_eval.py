#!/usr/bin/python3
"""cordon from Python, with nothing but ctypes: decides by a policy, then runs a
script whose function host.ask(question) is answered here.

usage: cordon_eval.py POLICY.yaml ACTION RESOURCE [SCRIPT.lua]

The library is found by its name, or named by CORDON_LIBRARY.
"""

import ctypes as c
import json
import os
import sys

OK, AGAIN, ALLOW = 0, 1, 1
WRITE = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(c.c_char), c.c_size_t)
FUNCTION = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p)


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("sys_errno", c.c_int),
                ("line", c.c_uint32), ("column", c.c_uint32),
                ("source", c.c_char * 128), ("message", c.c_char * 512)]


class Source(c.Structure):
    _fields_ = [("name", c.c_char_p), ("text", c.c_char_p),
                ("len_bytes", c.c_size_t)]


class Request(c.Structure):
    _fields_ = [("actor_id", c.c_char_p), ("actor_meta", c.c_void_p),
                ("action", c.c_char_p), ("resource", c.c_char_p),
                ("resource_len_bytes", c.c_size_t), ("meta", c.c_void_p),
                ("url", c.c_char_p)]


class Decision(c.Structure):
    _fields_ = [("verdict", c.c_int), ("policy_id", c.c_char_p),
                ("file", c.c_char_p), ("line", c.c_uint32),
                ("errors", c.c_uint32), ("by_error", c.c_int),
                ("reason", c.c_char_p), ("canonical", c.c_char * 2064),
                ("canonical_reason", c.c_char * 24)]


class HostConfig(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("alloc", c.c_void_p * 2),
                ("ca_file", c.c_char_p), ("dns_servers", c.c_char_p),
                ("preempt_signal", c.c_int), ("worker_path", c.c_char_p)]


class SandboxConfig(c.Structure):
    # As much of it as is used here: the library knows by struct_size.
    _fields_ = [("struct_size", c.c_size_t), ("isolation", c.c_int),
                ("policy", c.c_void_p), ("scope", c.c_void_p),
                ("scope_len", c.c_size_t), ("actor_id", c.c_char_p),
                ("actor_meta_json", c.c_char_p), ("limits", c.c_uint64 * 16),
                ("method", c.c_char_p), ("output", WRITE)]


lib = c.CDLL(os.environ.get("CORDON_LIBRARY", "libcordon.so.0"))
lib.cordon_call_args.restype = c.c_void_p


def check(error, rv):
    if rv != OK:
        where = "%s:%d: " % (error.source.decode(), error.line)
        sys.exit((where if error.line else "") + error.message.decode())


def source(path):
    with open(path, "rb") as f:
        text = f.read()
    return Source(path.encode(), text, len(text))


def to_python(value):
    parts = []
    write = WRITE(lambda ud, data, n: parts.append(c.string_at(data, n)))
    lib.cordon_value_write_json(c.c_void_p(value), write, None)
    return json.loads(b"".join(parts))


def answer(call, result):
    text, value = json.dumps(result).encode(), c.c_void_p()
    check(error, lib.cordon_value_from_json(
        c.byref(value), text, c.c_size_t(len(text)), None, c.byref(error)))
    lib.cordon_call_return(c.c_void_p(call), value)
    lib.cordon_value_free(value)


def ask(ud, call):
    args = to_python(lib.cordon_call_args(c.c_void_p(call)))
    answer(call, {"you": args, "python": sys.version_info[0]})


def run(policy, path):
    host, sandbox, value = c.c_void_p(), c.c_void_p(), c.c_void_p()
    hc, cfg, ref, fn = HostConfig(), SandboxConfig(), c.byref(error), FUNCTION(ask)
    lib.cordon_host_config_init_sized(c.byref(hc), c.c_size_t(c.sizeof(hc)))
    lib.cordon_sandbox_config_init_sized(c.byref(cfg),
                                         c.c_size_t(c.sizeof(cfg)))
    hc.worker_path = os.environ.get("CORDON_WORKER", "").encode() or None
    cfg.policy, cfg.actor_id = policy, b"python"
    cfg.output = WRITE(lambda ud, data, n: print(
        c.string_at(data, n).decode(errors="replace"), end=""))
    text = source(path)
    check(error, lib.cordon_host_new(c.byref(host), c.byref(hc), ref))
    check(error, lib.cordon_sandbox_new(c.byref(sandbox), host, c.byref(cfg),
                                        ref))
    check(error, lib.cordon_sandbox_add_function(sandbox, b"host", b"ask", fn,
                                                 None, ref))
    check(error, lib.cordon_sandbox_load(sandbox, c.byref(text), None,
                                         c.c_size_t(0), ref))
    check(error, lib.cordon_sandbox_run(sandbox, 0, ref))
    check(error, lib.cordon_sandbox_value(sandbox, c.byref(value), ref))
    print("returned", json.dumps(to_python(value.value)))
    lib.cordon_sandbox_free(sandbox)
    lib.cordon_host_free(host)


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    policy, scope, ref, d = c.c_void_p(), c.c_void_p(), c.byref(error), Decision()
    text, resource = source(sys.argv[1]), sys.argv[3].encode()
    check(error, lib.cordon_policy_new(c.byref(policy), None, ref))
    check(error, lib.cordon_policy_add(policy, c.byref(text), None, None, ref))
    check(error, lib.cordon_policy_finish(policy, None, None, ref))
    check(error, lib.cordon_scope_new(c.byref(scope), policy, None,
                                      c.c_size_t(0), None, ref))
    request = Request(b"python", None, sys.argv[2].encode(), resource,
                      len(resource), None, None)
    check(error, lib.cordon_decide(scope, c.byref(request), c.byref(d), ref))
    print("allowed" if d.verdict == ALLOW else "refused", d.reason.decode())
    lib.cordon_scope_free(scope)
    if len(sys.argv) == 5:
        run(policy, sys.argv[4])
    lib.cordon_policy_unref(policy)


error = Error()
if __name__ == "__main__":
    main()
