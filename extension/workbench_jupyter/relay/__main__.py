"""`python -m workbench_jupyter.relay --listen FD FOLDER`: relay what comes to a listening socket until stdin ends.

The server that started it holds the other end of stdin, and the socket: it ends with the server, however that ends, and
the next relay has the same address.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import sys
from pathlib import Path

import uvloop

from workbench_jupyter.relay.connection import Caller
from workbench_jupyter.relay.references import References
from workbench_jupyter.relay.upstream import Upstream

_BACKLOG = 512


def main() -> None:
    """Serve until the server has gone."""
    parser = argparse.ArgumentParser(prog="python -m workbench_jupyter.relay")
    parser.add_argument("--listen", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("folder", type=Path, help="folder of the key files")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each call in flight takes two
    uvloop.run(_serve(socket.socket(fileno=options.listen), options.folder))


async def _serve(listening: socket.socket, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    references, upstream = References(folder), Upstream()
    await loop.create_server(lambda: Caller(references, upstream), sock=listening, backlog=_BACKLOG)
    parent_gone = asyncio.Event()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            parent_gone.set()

    loop.add_reader(sys.stdin.fileno(), look)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await parent_gone.wait()


if __name__ == "__main__":
    main()
