"""The panel of JupyterLab: who one is, what is left, what the last calls cost, and what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

PRICED = """
[providers.local]
kind = "local"
[[models]]
name = "smollm2-135m"
deployments = [{ provider = "local", model = "smollm2-135m" }]
[models.price]
input = 1000
output = 1000
"""
CELL = (
    "import openai; print('answer:', openai.OpenAI().chat.completions.create("
    'model="smollm2-135m", max_tokens=4, temperature=0, messages=[{"role": "user", "content": "Say hello."}]'
    ").choices[0].message.content)"
)


@pytest.fixture
def lab(home: Path, weights: Path, tmp_path: Path, start_lab) -> Iterator:
    shutil.copytree(weights, home / "models")
    config = tmp_path / "priced.toml"
    config.write_text(PRICED, "utf-8")
    with start_lab(home, tmp_path, {"WORKBENCH_CONFIG": str(config)}) as lab:
        yield lab


def test_the_panel_tells_the_spend_of_a_call_and_what_to_do_when_the_gateway_is_gone(
    lab, page: Page, run_cell, home: Path
) -> None:
    page.goto(lab.url())
    page.locator(".jp-LauncherCard[data-category='Notebook']").first.click(timeout=120_000)
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    cell.locator(".cm-content").click(timeout=60_000)
    page.keyboard.insert_text(CELL)
    run_cell(page, cell)
    page.locator(".jp-OutputArea-output").filter(has_text=re.compile(r"answer:")).wait_for(timeout=120_000)

    page.locator(".lm-TabBar-tab[data-id='genai-workbench-panel']").click()
    panel = page.locator("#genai-workbench-panel")
    calls = panel.get_by_role("region", name="Last calls")
    calls.locator("tbody tr").filter(has_text="smollm2-135m").first.wait_for(timeout=30_000)
    assert re.search(r"\$0\.0\d", calls.inner_text()), calls.inner_text()
    models = panel.get_by_role("region", name="Models")
    assert "$1000.00 / $1000.00" in models.inner_text()
    assert "in 12 h" in panel.get_by_role("region", name="You").inner_text()
    assert "wb" + "x-" not in page.content()

    # It is stopped, not killed: a killed one is started again at once.
    gateway = json.loads((home / "gateway.json").read_text())["pid"]
    os.kill(gateway, signal.SIGSTOP)
    try:
        panel.get_by_role("alert").first.wait_for(timeout=30_000)
    finally:
        os.kill(gateway, signal.SIGCONT)
    panel.get_by_role("alert").first.wait_for(state="detached", timeout=60_000)
