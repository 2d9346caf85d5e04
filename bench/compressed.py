#!/usr/bin/python3
"""What a connection with permessage-deflate holds: RSS of bench/ws for each of
many connections, after messages went both ways on each in turn, to a server of
python3-websockets that compresses all it sends and, where it may, keeps its
window, which is then the client's too.

    compressed.py [--connections N] [--rounds N] path/to/bench/ws"""

import argparse
import asyncio
import json
import os

import websockets
from websockets.extensions import permessage_deflate

HERE = os.path.dirname(os.path.abspath(__file__))
MODES = (("uncompressed", "manyp", {}),
         ("context takeover", "manyz", {}),
         ("without", "manyz0", {"server_no_context_takeover": True}))


async def measure(o, mode, size, extensions):
    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async with websockets.serve(
            echo, "127.0.0.1", 0, extensions=extensions, compression=None,
            max_size=None, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        p = await asyncio.create_subprocess_exec(
            o.program, HERE + "/ws.lua", "ws://127.0.0.1:%d/" % port, mode,
            str(o.rounds), str(size), str(o.connections),
            stdout=asyncio.subprocess.PIPE,
            env=dict(os.environ, WSBENCH_TEXT=__file__))
        out, _ = await p.communicate()
    return json.loads(out)["rssconn"]


async def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("program")
    o = parser.parse_args()
    print("KiB a connection", *("%8d B" % s for s in SIZES))
    for name, mode, options in MODES:
        print("%-16s" % name, end="", flush=True)
        for size in SIZES:
            extensions = []
            if mode != "manyp":
                extensions.append(
                    permessage_deflate.ServerPerMessageDeflateFactory(
                        **options))
            print("%11.1f" % await measure(o, mode, size, extensions), end="",
                  flush=True)
        print()


SIZES = (32, 1024, 16384, 65536)
asyncio.run(main())
