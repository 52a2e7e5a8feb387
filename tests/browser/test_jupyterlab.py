"""A user's first minute: JupyterLab in a browser, a new notebook, one cell, an answer."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest
from playwright.sync_api import TimeoutError, sync_playwright  # noqa: A004 - playwright's own

from workbench.services.ports import free_port

pytestmark = pytest.mark.browser

TOKEN = "token-of-the-test"
CELL = (
    "import openai; print('answer:', openai.OpenAI().chat.completions.create("
    'model="smollm2-135m", max_tokens=16, temperature=0, messages=[{"role": "user", "content": "Say hello."}]'
    ").choices[0].message.content)"
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture
def lab(home, weights, tmp_path):
    """A plain JupyterLab on a home with weights; its URL with the token."""
    shutil.copytree(weights, home / "models")
    port = free_port()
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    log = tmp_path / "lab.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
             f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}"],
            env={**os.environ, **own, "IPYTHONDIR": str(tmp_path / "ipython")}, cwd=tmp_path,
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}/api/status?token={TOKEN}"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/lab?token={TOKEN}"
    finally:
        process.terminate()
        process.wait(60)
        with suppress(OSError, psutil.NoSuchProcess):  # the gateway may have been quicker
            psutil.Process(json.loads((home / "gateway.json").read_text())["pid"]).wait(30)


def answers(url):
    try:
        with urlopen(url, timeout=5) as response:
            return response.status == 200
    except (URLError, OSError):
        return False


@pytest.fixture
def page():
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser.new_page()
        browser.close()


def run(page, cell):
    """Run a cell, again if need be: JupyterLab drops one that is run while its kernel connects."""
    prompt = page.locator(".jp-InputArea-prompt").filter(has_text=re.compile(r"\[(\*|\d+)\]")).first
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=60_000)
    for _ in range(10):
        cell.click()
        page.keyboard.press("Control+Enter")
        with suppress(TimeoutError):
            prompt.wait_for(timeout=5_000)
            return
    pytest.fail("JupyterLab did not run the cell.")


def test_the_first_cell_of_a_new_notebook_shows_a_models_answer_and_saves_no_key(lab, page, tmp_path):
    page.goto(lab)
    page.locator(".jp-LauncherCard[data-category='Notebook']").first.click(timeout=120_000)
    cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").first
    cell.click(timeout=60_000)
    page.keyboard.insert_text(CELL)
    run(page, cell)
    page.locator(".jp-OutputArea-output").filter(has_text=re.compile(r"answer: \w+")).wait_for(timeout=120_000)
    page.keyboard.press("Control+s")
    saved = tmp_path / "Untitled.ipynb"
    deadline = time.monotonic() + 30
    while not (saved.exists() and "answer:" in saved.read_text().partition('"outputs"')[2]):
        rename = page.locator(".jp-Dialog button.jp-mod-accept")  # JupyterLab asks for a name at the first save
        if rename.count():
            rename.first.click()
        assert time.monotonic() < deadline
        page.wait_for_timeout(200)
    assert "wbx-" not in saved.read_text()
