"""Jupyter Notebook 7, the other page over the same server: a call with nothing configured, and a widget that acts."""

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Lab
from workbench.testing.jupyter import running_jupyter
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import simulated_providers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PATIENCE = 120_000.0  # milliseconds: two cores may be shared by many
CELL = """
import openai
import workbench as wb
said = openai.OpenAI().chat.completions.create(model="chatty", messages=[{"role": "user", "content": "Say hello"}])
print("answer:", bool(said.choices[0].message.content))
wb.panel()
"""


@pytest.fixture
def notebook(home, tmp_path, monkeypatch):
    """A plain Notebook 7 at a simulated provider, with one notebook of one cell."""
    folder = tmp_path / "files"
    folder.mkdir()
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.strip())], metadata=metadata)
    nbformat.write(made, folder / "first.ipynb")
    with simulated_providers() as providers:
        monkeypatch.setenv(KEY_VARIABLE, providers.credential)
        config = home / "workbench.toml"
        config.write_text(simulated_config(providers))
        with running_jupyter(home, folder, app="notebook", environ={"WORKBENCH_CONFIG": str(config)}) as running:
            yield Lab(folder, running)


def test_a_call_is_answered_and_the_account_panel_shows_its_key(notebook, page, run_cell):
    page.goto(notebook.url("notebooks/first.ipynb"))
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    cell.wait_for(timeout=PATIENCE)
    run_cell(page, cell)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("answer: True", timeout=PATIENCE)
    panel = cell.locator(".wb-exhibit")
    expect(panel).to_contain_text("Last calls", timeout=PATIENCE)
    expect(panel).to_contain_text("chatty", timeout=PATIENCE)
