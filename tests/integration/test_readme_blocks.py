"""Every block of the README but its two commands runs: Python in a kernel with a mounted key, shell in a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
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
TOKEN = "token-of-the-readme-test"


def blocks(language: str) -> list[str]:
    text = (REPO / "README.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def clone(model_home: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder as a reader would have it, with a gateway that stays for the whole test."""
    shutil.copytree(REPO / "notebooks", tmp_path / "notebooks")
    gateway = EmbeddedGateway(model_home)
    try:
        gateway.attach(port=0)
        yield tmp_path
    finally:
        gateway.close()


def test_the_readme_does_what_it_says(clone: Path, model_home: Path) -> None:
    python = blocks("python")
    assert len(python) >= 5
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(block) for block in python])
    program = jupyter_server(load_settings(), port=free_port(), token=TOKEN, folder=clone)
    with Process(program, home=model_home) as server:
        server.wait_ready(120)
        url = program.url.rstrip("/")
        done = list(
            run_cells(notebook, server_url=url, token=TOKEN, folder="", cell_timeout=300, on_start=lambda _: None)
        )
    assert len(done) == len(python)
    assert "30 days" in done[-1].text, done[-1].text

    environment = {**os.environ, "OPENAI_API_KEY": "sk-of-the-readme-test"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    shell = blocks("sh")[2:]
    assert shell
    for block in shell:
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=clone, env=environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, f"{block}\n{ran.stdout}\n{ran.stderr}"
        assert "sk-of-the-readme-test" not in ran.stdout + ran.stderr
