"""`python -m workbench_jupyter.page {studio|mlflow} --socket PATH`: one page behind a tile, while Jupyter runs.

Where `workbench up` runs the same page it is that one; else it is started here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workbench.errors import MissingComponent, WorkbenchError
from workbench.services.ports import LOOPBACK, answers
from workbench.services.processes import Process, Program
from workbench.services.programs import migration, mlflow_ui, streamlit_app
from workbench.services.record import read_up_record
from workbench.settings import Settings, load_settings

_LOOK = 0.5  # seconds between two looks at who started this process, and at what it started
_NEEDLESS = ("JUPYTER_TOKEN",)


@dataclass(frozen=True)
class Page:
    """A row: how `workbench up` calls a page, how to know that it answers, and what else starts it."""

    service: str
    """Its name in the record of `up`."""
    health: str
    """Path that answers once it is ready."""
    program: Callable[[Settings, Path], Program]
    """What starts it on a socket."""
    before: Callable[[Settings], Program] | None = None
    """What has to be done first."""


PAGES = {
    "studio": Page("app", "/_stcore/health", lambda settings, socket: streamlit_app(settings, socket=socket)),
    "mlflow": Page("mlflow", "/health", lambda settings, socket: mlflow_ui(settings, socket=socket), migration),
}


def running(page: Page, home: Path) -> str | None:
    """Return the URL of the page that `workbench up` runs on this home, if it answers."""
    up = read_up_record(home)
    url = up.services.get(page.service) if up is not None else None
    here = url is not None and urlsplit(url).scheme == "http" and urlsplit(url).hostname == LOOPBACK
    return url if url is not None and here and answers(url.rstrip("/") + page.health) else None


async def point_to(url: str, socket: Path) -> int:
    """Send every visitor to a page elsewhere; return when this process's parent is gone."""
    answer = f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def point(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer.encode("latin-1"))
            await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(point, socket):
        await _orphaned(os.getppid())
    return 0


async def lead_to(url: str, socket: Path) -> int:
    """Hand every connection to a page that runs already; return when that page or this process's parent is gone."""
    gone = asyncio.Event()
    parts = urlsplit(url)

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            gone.set()
            writer.close()
            return
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    async with await asyncio.start_unix_server(lead, socket):
        ends = [asyncio.ensure_future(gone.wait()), asyncio.ensure_future(_orphaned(os.getppid()))]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        ends[1].cancel()
    return 1 if gone.is_set() else 0  # after a 1 the proxy starts this process again, which starts the page itself


async def _orphaned(parent: int) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - the system tells a child nothing of its parent's end
        await asyncio.sleep(_LOOK)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()
    sink.close()


def start(page: Page, settings: Settings, socket: Path) -> int:
    """Start the page and stay until it, or this process's parent, has ended; return the exit code."""
    if page.before is not None:
        subprocess.run(page.before(settings).command, check=False, env=_environment(settings))
    parent = os.getppid()
    program = page.program(settings, socket)
    with Process(program, home=settings.home) as process:
        while os.getppid() == parent:
            with suppress(WorkbenchError):  # it is not late: it is to stay
                return process.wait(_LOOK)
    return 0


def _environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, "WORKBENCH_HOME": str(settings.home)}


def main() -> int:
    """Serve one page; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workbench_jupyter.page")
    parser.add_argument("page", choices=sorted(PAGES))
    parser.add_argument("--socket", type=Path, required=True)
    options = parser.parse_args()
    # The end that Jupyter asks for unwinds like Ctrl-C: what was started here ends first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in _NEEDLESS:
        os.environ.pop(name, None)
    page = PAGES[options.page]
    try:
        settings = load_settings(credentials=False)
        if options.page == "mlflow" and settings.tracking_uri.startswith(("http://", "https://")):
            return asyncio.run(point_to(settings.tracking_uri, options.socket))
        url = running(page, settings.home)
        return asyncio.run(lead_to(url, options.socket)) if url else start(page, settings, options.socket)
    except KeyboardInterrupt:
        return 0
    except MissingComponent as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
