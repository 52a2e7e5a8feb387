"""A user's first minute: JupyterLab in a browser, a new notebook, one cell, an answer."""

import re
import shutil
import time

import pytest

pytestmark = pytest.mark.browser

CELL = (
    "import openai; print('answer:', openai.OpenAI().chat.completions.create("
    'model="smollm2-135m", max_tokens=16, temperature=0, messages=[{"role": "user", "content": "Say hello."}]'
    ").choices[0].message.content)"
)


@pytest.fixture
def lab(home, weights, tmp_path, start_lab):
    """A plain JupyterLab on a home with weights."""
    shutil.copytree(weights, home / "models")
    with start_lab(home, tmp_path) as lab:
        yield lab


def test_the_first_cell_of_a_new_notebook_shows_a_models_answer_and_saves_no_key(lab, page, run_cell, tmp_path):
    page.goto(lab.url())
    page.locator(".jp-LauncherCard[data-category='Notebook']").first.click(timeout=120_000)
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    cell.locator(".cm-content").click(timeout=60_000)
    page.keyboard.insert_text(CELL)
    run_cell(page, cell)
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
