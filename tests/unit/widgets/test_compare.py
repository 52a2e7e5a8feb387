"""The blind comparison: nothing tells who is who, every vote is written, nothing that a model wrote is markup."""

import sys
from dataclasses import replace

import ipywidgets
import pytest

from workbench import feedback, widgets
from workbench.errors import InvalidInput, TrackingError
from workbench.widgets import comparison
from workbench.widgets.voting import VotingView

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def shown(widget):
    """All texts that a widget tree shows."""
    if isinstance(widget, ipywidgets.Box):
        return " ".join(shown(child) for child in widget.children)
    return str(widget.value if hasattr(widget, "value") else widget.description)


def buttons(view):
    return {button.description: button for button in view.widget.children[3].children}


def side_of(pair, experiment, name):
    """The side on which a candidate's output stands."""
    own = set(experiment.cells.loc[experiment.cells["candidate"] == name, "trace_id"])
    return "left" if pair.left in own else "right"


def test_votes_are_written_for_the_side_that_was_chosen_and_the_tally_is_told_at_the_end(experiment, tracker):
    blind = widgets.compare(experiment, rater="ana", tracker=tracker)
    view = VotingView(blind)
    names = {"left": "Left is better", "right": "Right is better"}
    for done in range(3):
        assert f"{done} of 3 pairs voted" in shown(view.widget)
        for told in ("wordy", "pictured", "Candidate"):
            assert told not in shown(view.widget)
        buttons(view)[names[side_of(blind.current, experiment, "pictured")]].click()
    assert blind.current is None
    assert buttons(view) == {}
    assert "All pairs are voted." in shown(view.widget)
    tally = blind.tally()
    assert (tally.wins_a, tally.wins_b, tally.identical) == (0, 3, 1)
    assert "wordy : pictured = 0 : 3" in shown(view.widget)


def test_a_rater_who_comes_back_goes_on(experiment, tracker):
    first = widgets.compare(experiment, "pictured", "wordy", rater="ben", tracker=tracker)
    voted = first.current
    following = first.vote("tie")
    later = widgets.compare(experiment, "pictured", "wordy", rater="ben", tracker=tracker)
    assert later.current == following != voted
    assert later.progress == (1, 3)


def test_a_double_click_is_one_vote_on_one_pair(experiment, tracker):
    blind = widgets.compare(experiment, rater="cleo", tracker=tracker)
    view = VotingView(blind)
    button = buttons(view)["Both are bad"]
    button.click()
    button.click()
    assert blind.progress == (1, 3)
    assert feedback.progress("cleo", *experiment.run_ids.values(), tracker=tracker) == (1, 3)


def test_a_vote_that_is_not_written_keeps_its_pair(experiment, tracker, monkeypatch):
    blind = widgets.compare(experiment, rater="dan", tracker=tracker)
    view, pair = VotingView(blind), blind.current

    def fail(*_, **__):
        raise TrackingError("The database is <locked>.")

    with monkeypatch.context() as patch:
        patch.setattr(comparison.feedback, "vote", fail)
        buttons(view)["Tie"].click()
    assert "The vote was not written.</b> The database is &lt;locked&gt;." in shown(view.widget)
    assert blind.current == pair
    buttons(view)["Tie"].click()
    assert blind.progress == (1, 3)


def test_what_models_and_data_hold_is_never_markup(experiment, tracker):
    blind = widgets.compare(experiment, rater="eve", tracker=tracker)
    bundle = blind._repr_mimebundle_()
    texts = [bundle["text/html"], shown(VotingView(blind).widget)]
    for text in texts:
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
        assert 'src="data:image/png;base64,' in text
    assert "question &lt;b&gt;" in texts[1]


def test_the_static_twin_tells_the_state_and_shows_the_pairs_blind(experiment, tracker):
    blind = widgets.compare(experiment, rater="finn", tracker=tracker)
    bundle = blind._repr_mimebundle_()
    assert {"text/plain", "text/html", WIDGET_VIEW} == set(bundle)
    assert "0 of 3 pairs voted" in bundle["text/plain"]
    assert "3 pairs of outputs, blind" in bundle["text/html"]
    for name in ("wordy", "pictured"):
        assert name not in bundle["text/html"] + bundle["text/plain"]
    for _ in range(3):
        blind.vote(side_of(blind.current, experiment, "wordy"))
    assert "wordy : pictured" in blind._repr_mimebundle_()["text/html"]


def test_a_notebook_gets_the_twin_beside_the_widget_and_an_update_at_the_end(experiment, tracker, monkeypatch):
    outputs = []

    class Handle:
        def update(self, bundle, *, raw):
            outputs.append(("update", bundle))

    def display(bundle, *, raw, display_id=False):
        outputs.append(("display", bundle))
        return Handle() if display_id else None

    monkeypatch.setattr("IPython.display.display", display)
    blind = widgets.compare(experiment, rater="gil", tracker=tracker)
    blind._ipython_display_()
    (_, twin), (_, view) = outputs
    assert set(twin) == {"text/plain", "text/html"}
    assert set(view) == {WIDGET_VIEW}
    while blind.current:
        blind.vote("tie")
    assert outputs[-1][0] == "update"
    assert "wordy : pictured" in outputs[-1][1]["text/html"]


def test_without_ipywidgets_there_is_text_and_a_method(experiment, tracker, monkeypatch):
    monkeypatch.setattr(comparison, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    blind = widgets.compare(experiment, rater="hal", tracker=tracker)
    assert set(blind._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert ".vote('left'" in repr(blind)
    blind.vote("right")
    assert "1 of 3" in repr(blind)


def test_votes_of_several_raters_are_counted_together(experiment, tracker):
    before = feedback.tally(*experiment.run_ids.values(), tracker=tracker)
    for rater in ("ida", "joe"):
        widgets.compare(experiment, rater=rater, tracker=tracker).vote("tie")
    after = feedback.tally(*experiment.run_ids.values(), tracker=tracker)
    assert (after.ties - before.ties, after.raters - before.raters) == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"a": "nobody", "rater": "ana"}, "'wordy', 'pictured'"),
        ({"a": "wordy", "b": "nobody", "rater": "ana"}, "No candidate named 'nobody'"),
        ({"rater": " "}, "needs a rater"),
        ({"a": "wordy", "b": "wordy", "rater": "ana"}, "with itself"),
    ],
)
def test_who_compares_what_must_be_clear(experiment, tracker, arguments, words):
    with pytest.raises(InvalidInput, match=words):
        widgets.compare(experiment, tracker=tracker, **arguments)


def test_an_experiment_that_is_not_in_mlflow_can_not_be_voted_on(experiment, tracker):
    untracked = replace(experiment, candidates=tuple(replace(c, run_id=None) for c in experiment.candidates))
    with pytest.raises(InvalidInput, match="track=True"):
        widgets.compare(untracked, rater="ana", tracker=tracker)
