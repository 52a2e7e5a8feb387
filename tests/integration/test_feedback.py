"""Ratings and blind votes on real traces in a real MLflow store."""

from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from workbench import feedback
from workbench.errors import InvalidInput
from workbench.tracking import RunRecord, TraceRecord

NOW = datetime(2026, 5, 4, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


def write_run(tracker, experiment, name, outputs, *, scores=None):
    """A candidate's run as experiments write it; an output that is an Exception failed."""
    records, rows = [], []
    for number, output in enumerate(outputs):
        failed = isinstance(output, Exception)
        record = TraceRecord(
            f"{name} is the candidate",
            {"message": f"case {number}"},
            None if failed or isinstance(output, bytes) else output,
            NOW + timedelta(seconds=number),
            NOW + timedelta(seconds=number + 1),
            status="ERROR" if failed else "OK",
            error=str(output) if failed else None,
            images=(output,) if isinstance(output, bytes) else (),
            tags={"candidate": name},
        )
        records.append(record)
        rows.append(
            {
                "example_id": f"e{number}",
                "repeat": 0,
                "output": None if failed else output,
                "error": str(output) if failed else None,
                "trace_id": record.trace_id,
                "score.exact": (scores or {}).get(number),
            }
        )
    run_id = tracker.write_run(RunRecord(experiment, name, tables={"cells.json": pd.DataFrame(rows)}, traces=records))
    return run_id, [record.trace_id for record in records]


@pytest.fixture(scope="module")
def runs(tracker):
    plain, of_plain = write_run(tracker, "blind", "plain", [f"plain {n}" for n in range(9)])
    shots, of_shots = write_run(tracker, "blind", "few shots", [f"shots {n}" for n in range(9)])
    return plain, shots, of_plain, of_shots


# -- ratings


def test_thumbs_stars_and_comments_are_kept_under_their_names(tracker):
    run_id, traces = write_run(tracker, "rated", "A", ["one", "two"])
    feedback.rate(traces[0], False, rater="ada", comment="too long", tracker=tracker)
    feedback.rate(traces[0], 4, rater="ada", tracker=tracker)
    feedback.rate(traces[1], rater="ada", comment="nothing to add", tracker=tracker)
    feedback.rate(traces[1], 0.5, rule="half", tracker=tracker)
    said = feedback.ratings(run_id, tracker=tracker)
    found = {(row.name, row.source, row.source_id, row.value) for row in said.drop(columns="name").assign(
        name=said["name"]).itertuples(index=False)}  # fmt: skip
    assert found == {
        ("thumbs", "HUMAN", "ada", False),
        ("stars", "HUMAN", "ada", 4),
        ("comment", "HUMAN", "ada", "nothing to add"),
        ("half", "CODE", "half", 0.5),
    }
    assert said.set_index("name").loc["thumbs", "rationale"] == "too long"


def test_the_queue_holds_what_this_person_has_not_rated(tracker):
    run_id, traces = write_run(tracker, "queued", "A", ["one", "two", PNG])
    assert [each.trace_id for each in feedback.queue(run_id, "ada", tracker=tracker)] == traces
    feedback.rate(traces[0], True, rater="ada", tracker=tracker)
    feedback.rate(traces[1], True, rater="bob", tracker=tracker)
    feedback.rate(traces[2], 1.0, rule="exact", tracker=tracker)
    left = feedback.queue(run_id, "ada", tracker=tracker)
    assert [each.trace_id for each in left] == traces[1:]
    assert (left[0].text, left[0].inputs) == ("two", {"message": "case 1"})
    assert (left[1].text, left[1].images) == (None, (PNG,))
    assert feedback.queue(run_id, "ada", name="stars", tracker=tracker)[0].trace_id == traces[0]
    assert len(feedback.queue(run_id, "ada", limit=1, tracker=tracker)) == 1


# -- pairs


def test_a_pair_shows_both_outputs_and_tells_not_whose_they_are(runs, tracker):
    plain, shots, *_ = runs
    for pair in feedback.pairs(plain, shots, tracker=tracker):
        left, right = pair.answers(tracker=tracker)
        assert left.inputs == right.inputs == {"message": f"case {pair.example_id[1:]}"}
        assert {left.text.split()[0], right.text.split()[0]} == {"plain", "shots"}
        shown = repr([getattr(side, field.name) for side in (left, right) for field in fields(side)]) + repr(pair)
        for word in (plain, shots, "candidate"):
            assert word not in shown


def test_sides_are_balanced_and_drawn_by_seed(runs, tracker):
    plain, shots, of_plain, _ = runs
    by_seed = []
    for seed in range(12):
        drawn = feedback.pairs(plain, shots, seed=seed, tracker=tracker)
        assert drawn == feedback.pairs(plain, shots, seed=seed, tracker=tracker)
        assert len({pair.pair_id for pair in drawn}) == 9
        on_the_left = {pair.example_id for pair in drawn if pair.left in of_plain}
        assert len(on_the_left) in (4, 5)
        by_seed.append((tuple(pair.example_id for pair in drawn), frozenset(on_the_left)))
    assert len({order for order, _ in by_seed}) > 6
    assert len({sides for _, sides in by_seed}) > 6
    assert {len(sides) for _, sides in by_seed} == {4, 5}, "which run has the odd one is drawn too"


def test_failures_and_equal_outputs_make_no_pair(tracker):
    a, _ = write_run(tracker, "same", "A", ["x", "y", PNG, ValueError("no"), "z"])
    b, _ = write_run(tracker, "same", "B", ["x", "Y", PNG, "late", PNG + b"!"])
    assert {pair.example_id for pair in feedback.pairs(a, b, tracker=tracker)} == {"e1", "e4"}
    assert feedback.tally(a, b, tracker=tracker).identical == 2


def test_runs_without_a_common_example_make_no_pairs(tracker):
    a, _ = write_run(tracker, "apart", "A", [ValueError("no")])
    b, _ = write_run(tracker, "apart", "B", ["x"])
    with pytest.raises(InvalidInput, match="no answered example in common"):
        feedback.pairs(a, b, tracker=tracker)
    with pytest.raises(InvalidInput, match="with itself"):
        feedback.pairs(a, a, tracker=tracker)


# -- votes


def side_of(pair, traces):
    return "left" if pair.left in traces else "right"


def test_votes_are_counted_for_the_run_not_for_the_side(tracker):
    a, of_a = write_run(tracker, "votes", "A", [f"a{n}" for n in range(8)])
    b, of_b = write_run(tracker, "votes", "B", [f"b{n}" for n in range(8)])
    drawn = feedback.pairs(a, b, tracker=tracker)
    for pair in drawn[:5]:
        feedback.vote(pair, side_of(pair, of_a), "ada", tracker=tracker)
    feedback.vote(drawn[5], side_of(drawn[5], of_b), "ada", comment="shorter", tracker=tracker)
    feedback.vote(drawn[6], "tie", "ada", tracker=tracker)
    feedback.vote(drawn[7], "both_bad", "bob", tracker=tracker)
    said = feedback.tally(a, b, tracker=tracker)
    assert (said.wins_a, said.wins_b, said.ties, said.both_bad, said.n) == (5, 1, 1, 1, 8)
    assert (said.raters, said.pairs, said.pairs_voted) == (2, 8, 8)
    assert said.left_wins == sum(pair.left in of_a for pair in drawn[:5]) + (drawn[5].left in of_b)
    assert said.share_a.mean == pytest.approx(5 / 6)
    assert said.share_a.low < 5 / 6 < said.share_a.high
    assert str(said).startswith("5 : 1, 1 ties, 1 both bad, n = 8, share 0.83 [")
    turned = feedback.tally(b, a, tracker=tracker)
    assert (turned.wins_a, turned.wins_b, turned.left_wins) == (1, 5, said.left_wins)


def test_a_rater_has_one_vote_on_a_pair_whatever_the_order(tracker):
    a, of_a = write_run(tracker, "once", "A", ["a0"])
    b, _ = write_run(tracker, "once", "B", ["b0"])
    pair = feedback.pairs(a, b, seed=0, tracker=tracker)[0]
    turned = next(p for p in (feedback.pairs(a, b, seed=s, tracker=tracker)[0] for s in range(50)) if p != pair)
    assert turned.pair_id == pair.pair_id
    for _ in range(3):
        feedback.vote(pair, side_of(pair, of_a), "ada", tracker=tracker)
    feedback.vote(turned, "tie", "ada", tracker=tracker)
    feedback.vote(turned, side_of(turned, of_a), "bob", tracker=tracker)
    said = feedback.tally(a, b, tracker=tracker)
    assert (said.wins_a, said.wins_b, said.ties, said.n) == (1, 0, 1, 2)
    assert len(tracker.ratings([pair.left, pair.right])) == 4, "one word on each trace for each of two people"


def test_votes_against_another_run_are_not_counted(tracker):
    a, of_a = write_run(tracker, "three", "A", ["a0"])
    b, _ = write_run(tracker, "three", "B", ["b0"])
    c, of_c = write_run(tracker, "three", "C", ["c0"])
    with_b, with_c = feedback.pairs(a, b, tracker=tracker)[0], feedback.pairs(a, c, tracker=tracker)[0]
    feedback.vote(with_b, side_of(with_b, of_a), "ada", tracker=tracker)
    feedback.vote(with_c, side_of(with_c, of_c), "ada", tracker=tracker)
    assert (feedback.tally(a, b, tracker=tracker).wins_a, feedback.tally(a, b, tracker=tracker).wins_b) == (1, 0)
    assert (feedback.tally(a, c, tracker=tracker).wins_a, feedback.tally(a, c, tracker=tracker).wins_b) == (0, 1)


def test_a_rater_is_led_through_all_pairs_once(runs, tracker):
    plain, shots, of_plain, _ = runs
    seen = []
    while (pair := feedback.next_pair("eve", plain, shots, tracker=tracker)) is not None:
        assert feedback.progress("eve", plain, shots, tracker=tracker) == (len(seen), 9)
        seen.append(pair)
        feedback.vote(pair, "tie", "eve", tracker=tracker)
        assert len(seen) <= 9
    assert len({pair.pair_id for pair in seen}) == 9
    assert feedback.progress("eve", plain, shots, tracker=tracker) == (9, 9)
    assert Counter(pair.left in of_plain for pair in seen) in (
        Counter({True: 4, False: 5}),
        Counter({True: 5, False: 4}),
    )
    assert feedback.next_pair("mallory", plain, shots, tracker=tracker) is not None


def test_a_vote_that_was_cut_off_counts_and_is_made_whole(tracker):
    a, of_a = write_run(tracker, "cut vote", "A", ["a0"])
    b, of_b = write_run(tracker, "cut vote", "B", ["b0"])
    pair = feedback.pairs(a, b, tracker=tracker)[0]
    # What vote() writes first, before the process died.
    tracker.rate(
        pair.left,
        "preference",
        "better",
        source="HUMAN",
        source_id="ada",
        about=pair.pair_id,
        metadata={"workbench.opponent": pair.right, "workbench.side": "left"},
    )
    said = feedback.tally(a, b, tracker=tracker)
    assert (said.wins_a, said.wins_b, said.left_wins) == ((1, 0, 1) if pair.left in of_a else (0, 1, 1))
    assert feedback.next_pair("ada", a, b, tracker=tracker).pair_id == pair.pair_id
    feedback.vote(pair, "right", "ada", tracker=tracker)
    said = feedback.tally(a, b, tracker=tracker)
    assert (said.wins_a, said.wins_b) == ((0, 1) if pair.left in of_a else (1, 0))
    assert feedback.next_pair("ada", a, b, tracker=tracker) is None
    assert of_b


def test_votes_do_not_take_a_trace_out_of_the_rating_queue(tracker):
    a, of_a = write_run(tracker, "both kinds", "A", ["a0"])
    b, _ = write_run(tracker, "both kinds", "B", ["b0"])
    feedback.vote(feedback.pairs(a, b, tracker=tracker)[0], "tie", "ada", tracker=tracker)
    assert [each.trace_id for each in feedback.queue(a, "ada", tracker=tracker)] == of_a


def test_no_vote_is_told_as_such(tracker):
    a, _ = write_run(tracker, "silent", "A", ["a0"])
    b, _ = write_run(tracker, "silent", "B", ["b0"])
    said = feedback.tally(a, b, tracker=tracker)
    assert said.share_a is None
    assert str(said).endswith("no decisive vote")
