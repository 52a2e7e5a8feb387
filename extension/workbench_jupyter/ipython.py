"""The kernel's side, loaded without `%load_ext`: it tells why a key is missing or passed over, and takes a late one.

Before each cell it looks whether the key file changed, so that a key that comes late, or anew, reaches `os.environ`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.wire.cell import Cell, CellFile
from workbench.wire.key_file import read_key_file
from workbench.wire.variables import GATEWAY_URL, KEY_FILE
from workbench_jupyter.offering import Offering
from workbench_jupyter.scrubbing.history import guard_history
from workbench_jupyter.variables import NOTICE, RELAY, STARTING, mounted_sdks

_PATIENCE = 15.0  # seconds that the first cell waits for a gateway that is starting
_PAUSE = 0.1  # seconds between two looks while it waits


class KernelKey:
    """The mounted key as one kernel sees it."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._environ = environ
        self._path = Path(environ[KEY_FILE])
        self._seen: tuple[int, int] | None = None
        # What stands there now came from the server. What the user changes later is hers, and stays.
        self._ours = {name: environ.get(name) for sdk in mounted_sdks(environ) for name in sdk.names}
        self._told: str | None = None
        # A notice is for the user of this kernel, not for what it starts.
        self._notices = [line for line in environ.pop(NOTICE, "").splitlines() if line]

    def refresh(self) -> list[str]:
        """Bring the environment up to date with the key file; return what the user should be told now."""
        news, self._notices = self._notices, []
        try:
            stat = self._path.stat()
        except OSError:
            return news  # the server that mounted it has gone, and the kernel follows
        if (stat.st_mtime_ns, stat.st_ino) == self._seen:
            return news
        self._seen = (stat.st_mtime_ns, stat.st_ino)
        try:
            key = read_key_file(self._path)
        except WorkbenchError as error:
            if str(error) != self._told:
                self._told = str(error)
                hint = f"\n  {error.hint}" if error.hint else ""
                news.append(f"No key is mounted in this kernel. {error.message}{hint}")
            return news
        self._environ[GATEWAY_URL] = key.gateway_url
        if RELAY in self._environ:
            return news  # what stands in the variables is good for as long as the kernel lives
        for sdk in mounted_sdks(self._environ):
            if all(self._environ.get(name) == self._ours[name] for name in sdk.names):
                fresh = sdk.variables(key)
                self._environ.update(fresh)
                self._ours.update(fresh)
        return news

    def is_awaited(self) -> bool:
        """Return whether the key is on its way."""
        try:
            read_key_file(self._path)
        except WorkbenchError as error:
            return error.error_code == STARTING
        return False


def load_ipython_extension(shell: Any) -> None:
    """Register the magics, and look at the key before each cell that the user runs."""
    shell.extension_manager.load_extension("workbench_jupyter.magics")
    guard_history(shell)
    if not os.environ.get(KEY_FILE):
        return
    Offering(shell)
    key = KernelKey(os.environ)
    running = CellFile(Path(os.environ[KEY_FILE]))
    waited = False

    def before_cell(cell: Any = None) -> None:
        nonlocal waited
        with contextlib.suppress(OSError):  # the folder ends with its server, and the kernel soon after
            notebook = os.environ.get("JPY_SESSION_NAME")
            running.write(Cell(notebook, getattr(cell, "cell_id", None), shell.execution_count))
        if not waited:
            waited = True
            _wait(key)
        for sentence in key.refresh():
            sys.stderr.write(f"workbench: {sentence}\n")
            sys.stderr.flush()  # it stands above what the cell prints

    shell.events.register("pre_run_cell", before_cell)


def _wait(key: KernelKey) -> None:
    """Give a gateway that is starting the time that it needs; an interrupt ends the waiting."""
    deadline = time.monotonic() + _PATIENCE
    while key.is_awaited() and time.monotonic() < deadline:
        time.sleep(_PAUSE)
