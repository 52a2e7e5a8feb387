"""Every notebook, run as a user would: a fresh copy, a plain Jupyter server, a kernel with a mounted key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from workbench.cli.demo.notebook_run import run_cells
from workbench.services import EmbeddedGateway, Process
from workbench.services.programs import jupyter_server
from workbench.settings import load_settings
from workbench.testing.servers import free_port

REPO = Path(__file__).resolve().parents[2]
TOKEN = "token-of-the-notebooks-test"
NOTEBOOKS = sorted(path.name for path in (REPO / "notebooks").glob("[0-9]*.ipynb"))  # test_demo.py runs the demo's


@pytest.fixture(scope="module")
def jupyter(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one Jupyter server on copies of the notebooks, and one gateway, for all of them."""
    root = tmp_path_factory.mktemp("notebooks")
    home = root / "home"
    shutil.copytree(weights, home / "models", copy_function=shutil.copy2)
    home.chmod(0o700)
    shutil.copytree(REPO / "notebooks", root / "copies")
    gateway = EmbeddedGateway(home)
    try:
        gateway.attach(port=0)
        settings = load_settings(home=home, environ={})
        program = jupyter_server(settings, port=free_port(), token=TOKEN, folder=root / "copies")
        with Process(program, home=home) as server:
            server.wait_ready(120)
            yield program.url.rstrip("/")
    finally:
        gateway.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_keeps_its_promise(name: str, jupyter: str) -> None:
    notebook = nbformat.read(REPO / "notebooks" / name, as_version=4)
    ran = list(
        run_cells(notebook, server_url=jupyter, token=TOKEN, folder="", cell_timeout=540, on_start=lambda _: None)
    )
    assert len(ran) == sum(cell.cell_type == "code" for cell in notebook.cells)
    assert "wbx-" not in nbformat.writes(notebook), "a key stands in an output"
