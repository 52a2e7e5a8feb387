"""The panel of JupyterLab: who one is, what is left, what the last calls cost, and what is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page

from workbench.testing.simulator import simulated_providers

if TYPE_CHECKING:
    from tests.browser.conftest import Lab, StartLab

pytestmark = pytest.mark.browser

PRICED = """
[providers.sim]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "SIMULATED_KEY" }}
[[models]]
name = "sim-chat"
deployments = [{{ provider = "sim", model = "sim-chat" }}]
[models.price]
input = 1000
output = 1000
"""
CELL = (
    "import openai; print('answer:', openai.OpenAI().chat.completions.create("
    'model="sim-chat", max_tokens=10, messages=[{"role": "user", "content": "Say hello."}]'
    ").choices[0].message.content)"
)


@pytest.fixture
def lab(home: Path, tmp_path: Path, start_lab: StartLab) -> Iterator[Lab]:
    """A JupyterLab whose one model is simulated, and dear."""
    config = tmp_path / "priced.toml"
    with simulated_providers() as providers:
        config.write_text(PRICED.format(url=providers.url), "utf-8")
        told = {"WORKBENCH_CONFIG": str(config), "SIMULATED_KEY": providers.credential}
        with start_lab(home, tmp_path, told) as lab:
            yield lab


def test_the_panel_tells_the_spend_of_a_call_and_what_to_do_when_the_gateway_is_gone(
    lab: Lab, page: Page, run_cell: Callable[[Page, Locator], None], home: Path
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
    calls.locator("tbody tr").filter(has_text="sim-chat").first.wait_for(timeout=30_000)
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
