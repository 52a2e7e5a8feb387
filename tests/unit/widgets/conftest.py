"""An experiment in MLflow: two candidates on four examples, one of which both answer alike; and a front end."""

import json

import ipywidgets
import pytest

from workbench.evidence import exact_match
from workbench.experiments import Candidate, run
from workbench.settings import load_settings
from workbench.tracking import connect

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
NASTY = "<script>alert('left')</script> ![x](http://evil.example/x.png) <img src=x onerror=alert(1)>"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


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


class FrontEnd:
    """What a browser has of a widget: the state that came by the comm, and messages that go back by it."""

    def __init__(self, exhibit):
        model = exhibit._repr_mimebundle_()[WIDGET_VIEW]["model_id"]
        self._widget = ipywidgets.widgets.widget._instances[model]

    @property
    def state(self):
        """All that a notebook with its widgets' state would hold of it."""
        return self._widget.get_state()

    @property
    def body(self):
        return self.state["body"]

    @property
    def status(self):
        return self.state["status"]

    @property
    def verbs(self):
        return [part.split('"')[0] for part in self.body.split('data-do="')[1:]]

    def press(self, verb, *, turn=None, **fields):
        content = {"verb": verb, "turn": self.state["turn"] if turn is None else turn, "fields": fields}
        message = {"content": {"data": {"method": "custom", "content": json.loads(json.dumps(content))}}, "buffers": []}
        self._widget._handle_msg(message)


@pytest.fixture
def front_end():
    """Open an exhibit in a front end."""
    return FrontEnd


class Outputs(list):
    """What a notebook was told to display: ("display" | "update", bundle)."""

    def display(self, bundle, *, raw, display_id=False):
        assert raw
        self.append(("display", bundle))
        return self if display_id else None

    def update(self, bundle, *, raw):
        assert raw
        self.append(("update", bundle))


@pytest.fixture
def outputs(monkeypatch):
    """The outputs of a cell."""
    made = Outputs()
    monkeypatch.setattr("IPython.display.display", made.display)
    return made
