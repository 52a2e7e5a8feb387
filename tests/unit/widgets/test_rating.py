"""Rating: one answer at a time, written under the rater's name; what was rated stays in the twin."""

import pytest

from workbench import feedback, widgets
from workbench.errors import InvalidInput, TrackingError


def said(experiment, tracker, rater):
    """What a person said of an experiment's answers: name, value and comment."""
    rows = [
        row for run in experiment.run_ids.values() for row in feedback.ratings(run, tracker=tracker).to_dict("records")
    ]
    # Votes on the same experiment, which people of the same names may have given in other tests, are no ratings.
    mine = [row for row in rows if row["source_id"] == rater and row["name"] != "preference"]
    return [(row["name"], row["value"], row["rationale"] or "") for row in mine]


def test_stars_and_a_comment_are_written_and_the_next_answer_is_shown(experiment, tracker, front_end):
    rating = widgets.rate(experiment, rater="ana", tracker=tracker)
    page, first = front_end(rating), rating.current
    assert "8 answers left to rate" in page.body
    page.press("value 3", comment=" short & <b>clear</b> ")
    assert said(experiment, tracker, "ana") == [("stars", 4, "short & <b>clear</b>")]
    assert rating.current != first
    assert "7 answers left to rate" in page.body
    assert "4 ★" in page.status
    assert "short &amp; &lt;b&gt;clear" in rating._repr_html_()


def test_thumbs_are_written_as_thumbs(experiment, tracker, front_end):
    rating = widgets.rate(experiment.experiment_id, "thumbs", rater="ben", tracker=tracker)
    page = front_end(rating)
    page.press("value 0")
    page.press("value 1")
    assert sorted(row[:2] for row in said(experiment, tracker, "ben")) == [("thumbs", False), ("thumbs", True)]


def test_candidates_take_turns_and_are_not_told(experiment, tracker, front_end):
    rating = widgets.rate(experiment, rater="cleo", tracker=tracker)
    page = front_end(rating)
    of_wordy = set(experiment.cells.loc[experiment.cells["candidate"] == "wordy", "trace_id"])
    turns = []
    for _ in range(4):
        turns.append(rating.current.trace_id in of_wordy)
        shown = str(page.state) + str(rating._bundle())
        assert [word for word in ("wordy", "pictured", *experiment.cells["trace_id"]) if word in shown] == []
        page.press("value 0")
    assert turns[0] != turns[1]
    assert turns[1] != turns[2]


def test_who_comes_back_rates_what_is_left(experiment, tracker):
    widgets.rate(experiment, rater="dan", tracker=tracker).rate(5)
    later = widgets.rate(experiment, rater="dan", tracker=tracker)
    assert "0 of 7" in repr(later)
    while later.current:
        later.rate(1)
    assert "7 of 7" in repr(later)
    with pytest.raises(InvalidInput, match="No answer is left"):
        later.rate(1)


def test_what_is_kept_for_later_comes_last(experiment, tracker, front_end):
    rating = widgets.rate(experiment, rater="eve", tracker=tracker)
    first = rating.current
    front_end(rating).press("skip")
    assert rating.current != first
    assert said(experiment, tracker, "eve") == []
    for _ in range(7):
        rating.rate(3)
    assert rating.current == first


def test_a_rating_that_is_not_written_keeps_its_answer_and_the_comment(experiment, tracker, monkeypatch, front_end):
    rating = widgets.rate(experiment, rater="finn", tracker=tracker)
    page, first = front_end(rating), rating.current
    before = page.body

    def fail(*_, **__):
        raise TrackingError("The database is <locked>.")

    monkeypatch.setattr(type(tracker), "rate", fail)
    page.press("value 2", comment="long thought")
    assert "The database is &lt;locked&gt;." in page.status
    assert (rating.current, page.body) == (first, before)  # the page is not drawn anew, so the field stays as it is


@pytest.mark.parametrize(("scale", "value"), [("stars", 6), ("stars", True), ("thumbs", 1)])
def test_a_value_of_another_scale_is_refused(experiment, tracker, scale, value):
    rating = widgets.rate(experiment, scale, rater="gil", tracker=tracker)
    with pytest.raises(InvalidInput, match=f"not one of the {scale}"):
        rating.rate(value)
    assert said(experiment, tracker, "gil") == []


def test_a_scale_that_is_not_there_is_refused_by_name(experiment, tracker):
    with pytest.raises(InvalidInput, match=r"No scale 'hearts'\. Known: stars, thumbs"):
        widgets.rate(experiment, "hearts", rater="ana", tracker=tracker)
