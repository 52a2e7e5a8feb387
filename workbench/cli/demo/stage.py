"""What the demo stands on: weights, a migrated store, its notebooks, a Jupyter server, and an eye on the gateway."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from workbench.errors import GatewayUnreachable, MissingComponent
from workbench.services.embedded import running_gateway

NEEDED = (
    "jupyter_server",
    "jupyter_kernel_client",
    "mlflow",
    "faiss",
    "rank_bm25",
    "xllamacpp",
    "sentence_transformers",
)


def check_components() -> None:
    """Raise MissingComponent that names every package the demo needs and does not find."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingComponent(f"The demo needs {', '.join(missing)}.", hint="pip install -c constraints.txt '.[all]'")


def notebooks_folder() -> Path:
    """Return the folder of the notebooks and their data: inside the package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / "data").is_dir():
            return folder
    raise MissingComponent("The demo's notebooks are not installed.", hint="Install the package again.")


def lay_out(home: Path) -> Path:
    """Copy notebooks and data to `$WORKBENCH_HOME/demo`, where the kernel works, and return that folder."""
    folder = home / "demo"
    shutil.copytree(
        notebooks_folder(), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".ipynb_checkpoints", "*.pyc")
    )
    return folder


class GatewayWatch:
    """Run work in a thread and give up as soon as the gateway that it stands on is gone."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: psutil.Process | None = None

    def run(self, work: Callable[[], Any], *, poll: float = 0.5) -> Any:
        """Return what `work` returns; raises GatewayUnreachable once the gateway ended in the middle of it."""
        done = threading.Event()
        outcome: list[tuple[bool, Any]] = []

        def target() -> None:
            try:
                outcome.append((True, work()))
            except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, where it is raised
                outcome.append((False, error))
            finally:
                done.set()

        threading.Thread(target=target, daemon=True, name="demo-notebook").start()
        while not done.wait(poll):
            self._check()
        good, value = outcome[0]
        if not good:
            self._check()
            raise value
        return value

    def _check(self) -> None:
        if self._process is None:
            address = running_gateway(self._home)
            self._process = psutil.Process(address.pid) if address else None
        elif not self._process.is_running() or self._process.status() == psutil.STATUS_ZOMBIE:
            raise GatewayUnreachable(
                f"The gateway (process {self._process.pid}) ended while the demo ran; nothing was promoted by half.",
                hint=f"Run `workbench demo` again: finished calls are not repeated. Log: {self._home / 'logs'}",
            )
