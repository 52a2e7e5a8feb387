"""The blind vote: nothing tells who is who, every vote is written, nothing that a model wrote is markup."""

import getpass
import json
from dataclasses import replace

import nbformat
import pytest
from nbconvert import HTMLExporter

from workbench import feedback, widgets
from workbench.errors import InvalidInput, TrackingError

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def side_of(pair, experiment, name):
    """The side on which a candidate's output stands."""
    own = set(experiment.cells.loc[experiment.cells["candidate"] == name, "trace_id"])
    return "left" if pair.left in own else "right"


def test_votes_are_written_for_the_side_that_was_chosen_and_the_tally_is_told_at_the_end(
    experiment, tracker, front_end
):
    blind = widgets.vote(experiment, rater="ana", tracker=tracker)
    page = front_end(blind)
    for done in range(3):
        assert f"{done} of 3 pairs voted" in page.body
        page.press(side_of(blind.current, experiment, "pictured"))
    assert blind.current is None
    assert page.verbs == []
    assert "You have voted on every pair." in page.body
    tally = blind.tally()
    assert (tally.wins_a, tally.wins_b, tally.identical) == (0, 3, 1)
    assert "wordy : pictured = 0 : 3" in page.body


def test_neither_the_twin_nor_the_saved_state_tells_which_candidate_is_which(experiment, tracker, front_end):
    blind = widgets.vote(experiment, rater="amy", tracker=tracker)
    page = front_end(blind)
    secrets = {"wordy", "pictured", "Candidate", *experiment.run_ids.values(), *experiment.cells["trace_id"]}
    for _ in range(2):
        shown = json.dumps([page.state, blind._bundle()], default=str)
        assert [secret for secret in secrets if secret in shown] == []
        page.press("tie")


def test_a_rater_who_comes_back_goes_on(experiment, tracker):
    first = widgets.vote(experiment, "pictured", "wordy", rater="ben", tracker=tracker)
    voted = first.current
    following = first.vote("tie")
    later = widgets.vote(experiment.experiment_id, "pictured", "wordy", rater="ben", tracker=tracker)
    assert later.current == following != voted
    assert later.progress == (1, 3)


def test_a_double_click_is_one_vote_on_one_pair(experiment, tracker, front_end):
    blind = widgets.vote(experiment, rater="cleo", tracker=tracker)
    page = front_end(blind)
    for _ in range(2):
        page.press("both_bad", turn=0)
    assert blind.progress == (1, 3)
    assert feedback.progress("cleo", *experiment.run_ids.values(), tracker=tracker) == (1, 3)


def test_a_vote_that_is_not_written_keeps_its_pair_and_can_be_cast_again(experiment, tracker, monkeypatch, front_end):
    blind = widgets.vote(experiment, rater="dan", tracker=tracker)
    page, pair = front_end(blind), blind.current
    before = page.body

    def fail(*_, **__):
        raise TrackingError("The database is <locked>.", hint="Try <again>.")

    with monkeypatch.context() as patch:
        patch.setattr(type(tracker), "rate", fail)
        page.press("tie")
    assert "Not done.</b> The database is &lt;locked&gt;.<br>Try &lt;again&gt;." in page.status
    assert (blind.current, page.body) == (pair, before)
    page.press("tie")
    assert blind.progress == (1, 3)


def test_a_word_that_is_no_choice_is_refused_in_the_widget(experiment, tracker, front_end):
    blind = widgets.vote(experiment, rater="dora", tracker=tracker)
    page = front_end(blind)
    page.press("<b>drop</b>")
    assert "A vote is left, right, tie or both_bad" in page.status
    assert "<b>drop" not in page.status
    assert blind.progress == (0, 3)


def test_what_models_and_data_hold_is_never_markup(experiment, tracker, front_end):
    blind = widgets.vote(experiment, rater="eve", tracker=tracker)
    page = front_end(blind)
    for text in (blind._repr_mimebundle_()["text/html"], page.body):
        assert "<script" not in text
        assert "<img src=x" not in text
        assert "&lt;script&gt;" in text
        assert "![x](http://evil.example/x.png)" in text
        assert 'src="data:image/png;base64,' in text
    assert "question &lt;b&gt;" in page.body


def test_the_twin_tells_the_state_and_shows_the_pairs(experiment, tracker):
    blind = widgets.vote(experiment, rater="finn", tracker=tracker)
    bundle = blind._repr_mimebundle_()
    assert {"text/plain", "text/html", WIDGET_VIEW} == set(bundle)
    assert "0 of 3 pairs voted" in bundle["text/plain"]
    assert "3 pairs of outputs, blind" in bundle["text/html"]
    assert "<button" not in bundle["text/html"]
    for _ in range(3):
        blind.vote(side_of(blind.current, experiment, "wordy"))
    assert "wordy : pictured" in blind._repr_mimebundle_()["text/html"]


def test_a_notebook_gets_the_twin_beside_the_widget_and_every_vote_brings_it_up_to_date(experiment, tracker, outputs):
    blind = widgets.vote(experiment, rater="gil", tracker=tracker)
    blind._ipython_display_()
    (_, twin), (_, view) = outputs
    assert set(twin) == {"text/plain", "text/html"}
    assert set(view) == {WIDGET_VIEW}
    blind.vote("tie")
    assert outputs[-1][0] == "update"
    assert "1 of 3 pairs voted" in outputs[-1][1]["text/html"]
    while blind.current:
        blind.vote("tie")
    assert "wordy : pictured" in outputs[-1][1]["text/html"]


def test_a_notebook_that_is_exported_to_html_shows_the_twin_and_asks_for_no_script_of_a_widget(
    experiment, tracker, outputs
):
    widgets.vote(experiment, rater="gwen", tracker=tracker)._ipython_display_()
    shown = [nbformat.v4.new_output("display_data", data=bundle) for _, bundle in outputs]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("blind", outputs=shown)])
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    assert "3 pairs of outputs, blind" in page
    assert "widget-view" not in page
    assert "<script>alert" not in page


def test_the_live_view_hides_the_twin_of_its_own_and_no_other(experiment, tracker, front_end):
    first, second = (widgets.vote(experiment, rater="gus", tracker=tracker) for _ in range(2))
    twins = [front_end(each).state["twin"] for each in (first, second)]
    assert twins[0] != twins[1]
    assert f'id="{twins[0]}"' in first._repr_html_()


def test_without_anywidget_there_is_text_and_a_method(experiment, tracker, monkeypatch):
    monkeypatch.setattr("workbench.widgets.exhibit.can_be_live", lambda: False)
    blind = widgets.vote(experiment, rater="hal", tracker=tracker)
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


def test_who_names_no_rater_votes_as_the_user_of_the_machine(experiment, tracker):
    assert getpass.getuser() in repr(widgets.vote(experiment, tracker=tracker))


@pytest.mark.parametrize(
    ("names", "rater", "words"),
    [
        (("nobody",), "ana", "'wordy', 'pictured'"),
        (("wordy", "nobody"), "ana", "No candidate named 'nobody'"),
        ((), " ", "needs a rater"),
        (("wordy", "wordy"), "ana", "with itself"),
        (("wordy", "pictured", "wordy"), "ana", "between two"),
    ],
)
def test_who_compares_what_must_be_clear(experiment, tracker, names, rater, words):
    with pytest.raises(InvalidInput, match=words):
        widgets.compare(experiment, *names, rater=rater, tracker=tracker)


def test_an_experiment_that_is_not_in_mlflow_can_not_be_voted_on(experiment, tracker):
    untracked = replace(experiment, candidates=tuple(replace(c, run_id=None) for c in experiment.candidates))
    with pytest.raises(InvalidInput, match="track=True"):
        widgets.vote(untracked, rater="ana", tracker=tracker)
