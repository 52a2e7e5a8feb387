"""A notebook's widgets in JupyterLab: votes by keys, the account's panel, and what stays of them without a kernel."""

import json
import time
from contextlib import suppress
from urllib.request import Request, urlopen

import nbformat
import pytest
from playwright.sync_api import expect

from workbench import experiments, feedback, tracking
from workbench.settings import load_settings
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import simulated_providers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]  # a lab, a browser and two kernels on a busy machine

PATIENCE = 120_000.0  # milliseconds: two cores may be shared by many
VOTE = "import workbench as wb\nwb.widgets.vote({id!r}, rater='ana')"
PANEL = "wb.Gateway().chat('Say hello', model='chatty')\nwb.panel()"
NASTY = "<script>document.title = 'owned'</script>"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, start_lab):
    """A JupyterLab at a simulated provider, on a home with an experiment of four examples."""
    home, folder = (tmp_path_factory.mktemp("widgets") / name for name in ("home", "files"))
    home.mkdir(mode=0o700)
    folder.mkdir()
    with simulated_providers() as providers, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(home))
        patch.setenv(KEY_VARIABLE, providers.credential)
        config = home / "workbench.toml"
        config.write_text(simulated_config(providers))
        with start_lab(home, folder, {"WORKBENCH_CONFIG": str(config)}) as lab:
            yield lab


@pytest.fixture(scope="module")
def tracker(lab):
    """MLflow, as the notebook finds it."""
    return tracking.connect(load_settings(credentials=False))


@pytest.fixture(scope="module")
def experiment(tracker):
    """Two candidates, one of which always tries to run a script."""
    candidates = [
        experiments.Candidate("scripted", call=lambda inputs: f"{NASTY} {inputs['q']}"),
        experiments.Candidate("plain", call=lambda inputs: f"plain {inputs['q']}"),
    ]
    rows = [{"id": f"e{number}", "inputs": {"q": f"question {number}"}} for number in range(4)]
    return experiments.run("colours", candidates, rows, [], tracker=tracker, progress=False)


def write_notebook(lab, *cells):
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=metadata)
    nbformat.write(made, lab.folder / "widgets.ipynb")


def shut_down_kernels(lab):
    with urlopen(lab.url("api/sessions"), timeout=30) as answer:
        for session in json.load(answer):
            address = lab.url(f"api/sessions/{session['id']}")
            urlopen(Request(address, method="DELETE"), timeout=30).close()


def test_votes_by_keys_stand_in_mlflow_and_votes_and_spend_are_still_shown_without_a_kernel(
    lab, experiment, tracker, page, run_cell
):
    write_notebook(lab, VOTE.format(id=experiment.experiment_id), PANEL)
    page.goto(lab.url("lab/tree/widgets.ipynb"))
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cells.first.wait_for(timeout=PATIENCE)
    run_cell(page, cells.nth(0))
    ballot = cells.nth(0).locator(".wb-exhibit")
    expect(ballot).to_contain_text("0 of 4 pairs voted", timeout=PATIENCE)
    focus(ballot)
    for voted, keys in enumerate((("ArrowLeft", "ArrowRight"), ("j", "k"), ("1", "4")), start=1):
        scripted_is_left = NASTY in ballot.locator("td").first.inner_text()
        page.keyboard.press(keys[0 if scripted_is_left else 1])
        expect(ballot).to_contain_text(f"{voted} of 4 pairs voted", timeout=PATIENCE)
        expect(ballot).to_be_focused(timeout=PATIENCE)
    page.keyboard.press("2")
    expect(ballot).to_contain_text("You have voted on every pair.", timeout=PATIENCE)
    runs = experiment.run_ids
    tally = feedback.tally(runs["scripted"], runs["plain"], tracker=tracker)
    assert (tally.wins_a, tally.wins_b, tally.ties, tally.raters) == (3, 0, 1, 1)

    run_cell(page, cells.nth(1))
    panel = cells.nth(1).locator(".wb-exhibit")
    expect(panel.locator("table").filter(has_text="Last calls")).to_contain_text("chatty", timeout=PATIENCE)
    cost = cost_of_last_call(panel)
    assert cost.startswith("$0.0000")
    expect(cells.nth(1).locator("[id^=wb-twin-]")).to_be_hidden(timeout=PATIENCE)
    page.keyboard.press("Control+s")
    saved = lab.folder / "widgets.ipynb"
    deadline = time.monotonic() + PATIENCE / 1000
    while "Last calls" not in saved.read_text():
        assert time.monotonic() < deadline, "the notebook was not saved"
        page.wait_for_timeout(200)
    notebook = json.loads(saved.read_text())
    text = json.dumps(notebook["cells"])
    assert "wbx-" not in text
    assert "<script" not in text.replace("application/", "")

    shut_down_kernels(lab)
    notebook["metadata"]["kernelspec"] = {"name": "gone", "display_name": "gone", "language": "python"}
    saved.write_text(json.dumps(notebook))
    page.goto(lab.url("lab/tree/widgets.ipynb"))
    expect(page.get_by_text("scripted : plain = 3 : 0, 1 ties")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("table").filter(has_text="Last calls")).to_contain_text(cost, timeout=PATIENCE)
    expect(page.locator(".wb-exhibit")).to_have_count(0)
    assert "owned" not in page.title()


def focus(ballot):
    """Click into a widget, again if need be: JupyterLab takes the focus when it is through with a cell."""
    for _ in range(10):
        ballot.get_by_text("Keys, once you clicked here").click()
        with suppress(AssertionError):
            expect(ballot).to_be_focused(timeout=5_000)
            return
    pytest.fail("JupyterLab leaves the widget no focus.")


def cost_of_last_call(panel):
    """The cost of the last call, as the panel shows it."""
    return panel.locator("table").filter(has_text="Last calls").locator("tbody td").last.inner_text()
