"""An experiment in MLflow: two candidates on four examples, one of which both answer alike."""

import pytest

from workbench.evidence import exact_match
from workbench.experiments import Candidate, run
from workbench.settings import load_settings
from workbench.tracking import connect

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
NASTY = "<script>alert('left')</script>"


@pytest.fixture(scope="session")
def tracker(tmp_path_factory):
    home = tmp_path_factory.mktemp("widgets") / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(home))
        patch.chdir(home.parent)
        yield connect(load_settings(credentials=False))


@pytest.fixture(scope="session")
def experiment(tracker):
    rows = [{"id": f"e{i}", "inputs": {"q": f"question <b>{i}</b>"}, "expected": "x"} for i in range(4)]

    def answers(inputs):
        return "the same" if "3" in inputs["q"] else f"{NASTY} {inputs['q']}"

    def pictures(inputs):
        return "the same" if "3" in inputs["q"] else PNG + inputs["q"].encode()

    candidates = [Candidate("wordy", call=answers), Candidate("pictured", call=pictures)]
    return run("blind", candidates, rows, [exact_match()], tracker=tracker, progress=False)
