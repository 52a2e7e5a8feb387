"""A real browser, Debian's chromium driven by playwright, and a plain JupyterLab for it to look at."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest
from playwright.sync_api import Locator, Page, TimeoutError, sync_playwright  # noqa: A004 - playwright's own

from workbench.services.ports import free_port

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "token-of-the-test"


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page of a window of its own."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that answers."""

    folder: Path
    """Where its notebooks lie."""
    port: int
    """Where it listens on loopback."""

    def url(self, path: str = "lab") -> str:
        """Return the address of a page, with the token."""
        return f"http://127.0.0.1:{self.port}/{path}?token={TOKEN}"


StartLab = Callable[..., AbstractContextManager[Lab]]


@pytest.fixture(scope="session")
def start_lab() -> StartLab:
    """How to start a JupyterLab: `with start_lab(home, folder) as lab`."""
    return _running_lab


@contextmanager
def _running_lab(home: Path, folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Lab]:
    lab = Lab(folder, free_port())
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    log = folder / "lab.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
             f"--ServerApp.port={lab.port}", f"--IdentityProvider.token={TOKEN}"],
            env={**os.environ, **own, "IPYTHONDIR": str(folder / "ipython"), "WORKBENCH_HOME": str(home),
                 **(environ or {})},
            cwd=folder, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not _answers(lab.url("api/status")):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield lab
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()  # told to end while a kernel starts, it may wait for ever
            process.wait(60)
        with suppress(OSError, psutil.NoSuchProcess):  # the gateway may have been quicker
            psutil.Process(json.loads((home / "gateway.json").read_text())["pid"]).wait(30)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


@pytest.fixture(scope="session")
def run_cell() -> Callable[[Page, Locator], None]:
    """How to run a cell of the notebook that is open."""
    return _run_cell


def _run_cell(page: Page, cell: Locator) -> None:
    """Run a cell, again if need be: JupyterLab drops one that is run while its kernel connects."""
    prompt = cell.locator(".jp-InputArea-prompt").filter(has_text=re.compile(r"\[(\*|\d+)\]"))
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=60_000)
    for _ in range(10):
        with suppress(TimeoutError):
            for button in page.locator(".jp-Dialog button.jp-mod-accept").all():
                button.click(timeout=5_000)  # it asks for a kernel where one is slow to start
            cell.locator(".cm-content").click(timeout=5_000)
            page.keyboard.press("Control+Enter")
            prompt.wait_for(timeout=5_000)
            return
    pytest.fail("JupyterLab did not run the cell.")
