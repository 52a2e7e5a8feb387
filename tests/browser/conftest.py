"""A real browser, Debian's chromium driven by playwright, and a plain JupyterLab for it to look at."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, TimeoutError, sync_playwright  # noqa: A004 - playwright's own

from workbench.testing.jupyter import RunningJupyter, running_jupyter

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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
    server: RunningJupyter
    """The server below it."""

    def url(self, path: str = "lab") -> str:
        """Return the address of a page, with the token."""
        return f"{self.server.url}/{path}?token={self.server.token}"


StartLab = Callable[..., AbstractContextManager[Lab]]


@pytest.fixture(scope="session")
def start_lab() -> StartLab:
    """How to start a JupyterLab: `with start_lab(home, folder) as lab`."""
    return _running_lab


@contextmanager
def _running_lab(home: Path, folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Lab]:
    with running_jupyter(home, folder, app="lab", environ=environ) as running:
        yield Lab(folder, running)
    with suppress(OSError, psutil.NoSuchProcess):  # the gateway may have been quicker
        psutil.Process(json.loads((home / "gateway.json").read_text())["pid"]).wait(30)


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
