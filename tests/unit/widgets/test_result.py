"""A result looked through in a notebook: figures, any baseline, pictures, failures; the twin keeps the essentials."""

from workbench import widgets
from workbench.evidence import exact_match
from workbench.experiments import Candidate, run
from workbench.widgets.result import Results

NASTY = "<img src=x onerror=alert(1)>"


def trial(home):
    def fails(inputs):
        if inputs["q"] == 2:
            raise ValueError(NASTY)
        return str(inputs["q"])

    candidates = [Candidate(NASTY, call=lambda inputs: NASTY), Candidate("right", call=fails)]
    rows = [{"id": f"e{i}", "inputs": {"q": i}, "expected": str(i)} for i in range(12)]
    return run("results", candidates, rows, [exact_match()], track=False, progress=False)


def test_each_view_is_a_button_away(home, front_end):
    page = front_end(widgets.results(trial(home)))
    assert "cost of a call" in page.body
    for verb, shown in (
        ("intervals", "data:image/svg+xml;base64,"),
        ("latency", "data:image/svg+xml;base64,"),
        ("disagreements", "best right"),
        ("failures", "ValueError"),
        ("figures", "cost of a call"),
    ):
        page.press(verb)
        assert shown in page.body, verb


def test_any_candidate_is_the_baseline(home, front_end):
    page = front_end(widgets.results(trial(home)))
    page.press("compare", baseline="right")
    assert "against right" in page.body
    assert "worse" in page.body
    page.press("compare", baseline="nobody")
    assert "No candidate named" in page.status
    assert "against right" in page.body


def test_the_twin_holds_figures_comparison_and_failures_and_escapes_them(home):
    bundle = widgets.results(trial(home))._repr_mimebundle_()
    twin = bundle["text/html"]
    for word in ("Means with 95% intervals", "better", "e2", "data:image/svg+xml", "latency"):
        assert word in twin
    assert "<img src=x" not in twin
    assert "<button" not in twin


def test_an_experiment_is_read_by_its_id(experiment, tracker):
    assert isinstance(widgets.results(experiment.experiment_id, tracker=tracker), Results)
