"""A plain Jupyter server for a test: a process on a home and a folder of its own, with a token."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from workbench.testing.servers import free_port

TOKEN = "token-of-the-test"
_PATIENCE = 120.0
_GRACE = 20.0
_CLIENTS: list[Any] = []


@dataclass(frozen=True)
class RunningJupyter:
    """A Jupyter server that answers."""

    url: str
    """Its root URL."""
    token: str
    """What its user signs in with."""
    process: subprocess.Popen[bytes]
    """The server."""


@contextlib.contextmanager
def running_jupyter(
    home: Path, folder: Path, *, app: str = "server", environ: Mapping[str, str] | None = None
) -> Iterator[RunningJupyter]:
    """Run `jupyter server`, or another app of it, for as long as the block runs; its settings lie in the folder.

    Raises RuntimeError with its log if it does not start.
    """
    port, log = free_port(), folder / "jupyter.log"
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", app, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
             f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"],
            env={**os.environ, **own, "IPYTHONDIR": str(folder / "ipython"), "WORKBENCH_HOME": str(home),
                 **(environ or {})},
            cwd=folder, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    running = RunningJupyter(f"http://127.0.0.1:{port}", TOKEN, process)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(f"{running.url}/api/status?token={TOKEN}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"jupyter {app} does not answer:\n{log.read_text('utf-8', 'replace')}")
            time.sleep(0.1)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def kernel_client(server_url: str, **options: Any) -> Any:
    """Return a JupyterKernelClient, which is kept as long as the process lives.

    Its finalizer joins a thread. Where the collector ran it while another thread began, that was seen to wait for ever.
    """
    from jupyter_kernel_client import JupyterKernelClient  # noqa: PLC0415 - what needs no kernel does not load it

    client = JupyterKernelClient(server_url=server_url, **options)
    _CLIENTS.append(client)
    return client


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
