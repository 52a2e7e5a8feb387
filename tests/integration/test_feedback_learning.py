"""What people's words add up to: a leaderboard, agreement, a dataset and labels, on a real MLflow store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count

import pandas as pd
import pytest
from click.testing import CliRunner

from workbench import feedback
from workbench.cli import main
from workbench.errors import InvalidInput, NotFound
from workbench.evidence import Dataset
from workbench.evidence.judges import Labelled, LabelledPair
from workbench.tracking import RunRecord, TraceRecord

NOW = datetime(2026, 5, 4, tzinfo=UTC)
numbers = count()


class Case:
    """Runs of several candidates on the same examples, and what is said of them."""

    def __init__(self, tracker, outputs, *, groups=None):
        self.tracker, self.runs, self.traces = tracker, [], {}
        for name, answers in outputs.items():
            records = [TraceRecord("learn", {"q": f"case {n}"}, answer, NOW, NOW) for n, answer in enumerate(answers)]
            rows = [
                {"example_id": f"e{n}", "repeat": 0, "output": each.outputs, "error": None, "trace_id": each.trace_id}
                for n, each in enumerate(records)
            ]
            table = pd.DataFrame(rows)
            if groups:
                table["group"] = groups
            self.traces[name] = [each.trace_id for each in records]
            tags = {"workbench.candidate": name}
            record = RunRecord(f"learn {next(numbers)}", name, tables={"cells.json": table}, traces=records, tags=tags)
            self.runs.append(tracker.write_run(record))

    def vote(self, example, better, rater, *, among=("A", "B"), showing=1, flip=False):
        """Vote for a candidate by name, or `tie` or `both_bad`, by a pair whose sides depend on example and rater."""
        a, b = among if (example + len(rater) + flip) % 2 else reversed(among)
        left, right = self.traces[a][example], self.traces[b][example]
        choice = {a: "left", b: "right"}.get(better, better)
        pair = feedback.Pair(feedback.pair.pair_id(left, right), f"e{example}", left, right)
        feedback.vote(pair, choice, rater, showing=showing, tracker=self.tracker)


@pytest.fixture
def case(tracker):
    def made(outputs, **options):
        return Case(tracker, outputs, **options)

    return made


def answers(name, number):
    return [f"{name} says {n}" for n in range(number)]


# -- the leaderboard


def test_a_clear_favourite_is_named_and_a_doubtful_one_is_not(case, tracker):
    clear = case({"A": answers("A", 6), "B": answers("B", 6)})
    doubtful = case({"A": answers("A", 3), "B": answers("B", 3)})
    for number, rater in enumerate(["ana", "bobby", "e"]):
        for example in range(6):
            clear.vote(example, "B" if example == number else "A", rater)
        for example in range(3):
            doubtful.vote(example, "A" if example != number else "B", rater, flip=number > 1)
    board = feedback.leaderboard(clear.runs, tracker=tracker)
    assert (board.winner, board.raters, board.items) == ("A", 3, 6)
    assert board.verdict.startswith("A is preferred")
    first, second = board.ranking.rated
    assert first.low > second.high
    assert board.ranking.fragility is not None
    unsure = feedback.leaderboard(doubtful.runs, tracker=tracker)
    assert unsure.winner is None
    assert unsure.verdict.startswith("No winner can be named")
    told = str(unsure)
    assert all(word in told for word in ("n = 9 votes of 3 raters on 3 pairs", "split their votes alike", "Left side"))
    assert unsure.table()["candidate"].tolist() == [each.name for each in unsure.ranking.rated]
    assert "No winner can be named" in unsure._repr_html_()


def test_votes_count_for_the_candidate_whatever_the_side_and_ties_are_told_apart(case, tracker):
    three = case({"A": answers("A", 4), "B": answers("B", 4), "C": answers("C", 4)})
    for rater in ("ana", "bobby"):
        for example in range(4):
            three.vote(example, "A", rater)
            three.vote(example, "B" if example else "both_bad", rater, among=("B", "C"))
            three.vote(example, "A" if example else "tie", rater, among=("A", "C"))
    board = feedback.leaderboard(three.runs, tracker=tracker)
    rows = {each.name: (each.wins, each.ties, each.losses) for each in board.ranking.rated}
    assert rows == {"A": (14, 2, 0), "B": (6, 2, 8), "C": (0, 4, 12)}
    assert board.both_bad == 2
    assert [each.name for each in board.ranking.rated] == ["A", "B", "C"]


def test_without_votes_there_is_no_leaderboard(case, tracker):
    runs = case({"A": answers("A", 2), "B": answers("B", 2)}).runs
    with pytest.raises(InvalidInput, match="Nobody has voted"):
        feedback.leaderboard(runs, tracker=tracker)
    with pytest.raises(InvalidInput, match="two or more runs"):
        feedback.leaderboard(runs[:1], tracker=tracker)


def test_the_command_tells_by_its_code_that_nobody_won(case, tracking_home):
    from workbench import tracking

    tracker = tracking.connect()
    said = case({"A": answers("A", 3), "B": answers("B", 3)})
    for example, better in enumerate("ABA"):
        said.vote(example, better, "ana")
    done = CliRunner().invoke(main, ["feedback", "leaderboard", *said.runs, "--json"], catch_exceptions=False)
    told = json.loads(done.output)
    assert (done.exit_code, told["winner"], told["rows"][0]["n"]) == (3, None, 3)
    shared = CliRunner().invoke(main, ["feedback", "share", *said.runs, "--rater", "ana", "--json"])
    link = json.loads(shared.output)
    assert feedback.open_link(link["urls"]["ana"].split("t=")[1], tracker=tracker)[1] == "ana"
    assert CliRunner().invoke(main, ["feedback", "close", link["queue_id"]]).exit_code == 0


# -- agreement


def test_agreement_of_votes_and_of_stars_has_an_interval(case, tracker):
    said = case({"A": answers("A", 6), "B": answers("B", 6)})
    for example in range(6):
        for rater in ("ana", "bobby", "e"):
            said.vote(example, "A" if example % 2 else "B", rater)
            feedback.rate(said.traces["A"][example], 1 + example % 5, rater=rater, tracker=tracker)
    said.vote(5, "B", "ana")  # she changed her mind: one word of each person counts
    votes = feedback.agreement(said.runs, tracker=tracker)
    assert (votes.units, votes.raters, votes.n) == (6, 3, 18)
    assert votes.low < votes.alpha < 1
    stars = feedback.agreement(said.runs[:1], tracker=tracker)
    assert (stars.alpha, stars.units) == (1.0, 6)
    assert "ordinal" in stars.method


# -- a dataset


def test_corrections_come_before_votes_and_votes_before_stars_and_who_said_so_is_kept(case, tracker):
    said = case({"A": answers("A", 5), "B": answers("B", 5)}, groups=["ann", "ann", None, "bo", "bo"])
    feedback.correct(said.traces["A"][0], "Right.", rater="ana", comment="shorter", tracker=tracker)
    feedback.correct(said.traces["B"][0], "Right. ", rater="bob", tracker=tracker)
    for rater in ("ana", "bob"):
        said.vote(0, "A", rater)
        said.vote(1, "B", rater)
    said.vote(1, "A", "eve")
    feedback.rate(said.traces["A"][2], 5, rater="ana", tracker=tracker)
    feedback.rate(said.traces["B"][2], 2, rater="bob", tracker=tracker)
    found = feedback.adjudicate(said.runs, name="learned", tracker=tracker)
    assert dict(found.by) == {"correction": 1, "vote": 1, "rating": 1}
    assert (found.left_out, found.silent) == ({}, 2)
    learned = feedback.to_dataset(said.runs, tracker=tracker)
    assert isinstance(learned, Dataset)
    assert [(each.id, each.expected, each.group) for each in learned] == [
        ("e0", "Right. ", "ann"),
        ("e1", "B says 1", "ann"),
        ("e2", "A says 2", None),
    ]
    assert learned["e0"].inputs == {"q": "case 0"}
    source = learned["e0"].source
    assert (source["feedback"], source["raters"], source["against"]) == ("correction", ["ana", "bob"], 0)
    assert set(source["trace_ids"]) == {said.traces["A"][0], said.traces["B"][0]}
    assert datetime.fromisoformat(source["said_at"]).tzinfo is not None
    voted = learned["e1"].source
    assert (voted["raters"], voted["against"], voted["run_ids"]) == (["ana", "bob"], 1, [said.runs[1]])
    assert learned.hash == found.dataset.hash


def test_where_people_disagree_the_example_is_left_out_and_told(case, tracker):
    said = case({"A": answers("A", 4), "B": answers("B", 4)})
    feedback.correct(said.traces["A"][0], "this", rater="ana", tracker=tracker)
    feedback.correct(said.traces["A"][0], "that", rater="bob", tracker=tracker)
    said.vote(1, "A", "ana")
    said.vote(1, "B", "bob")
    said.vote(2, "both_bad", "ana")
    feedback.rate(said.traces["A"][3], 3, rater="ana", tracker=tracker)
    found = feedback.adjudicate(said.runs, tracker=tracker)
    assert found.left_out == {
        "e0": "2 people corrected it in 2 ways",
        "e1": "no answer has a majority of the votes",
        "e2": "both answers are bad",
        "e3": "no answer has a median of 4 stars",
    }
    assert len(found.table()) == 4
    assert "4 left out" in str(found)
    with pytest.raises(NotFound, match="No example to learn from"):
        feedback.to_dataset(said.runs, tracker=tracker)


def test_of_three_answers_the_one_that_beats_all_others_is_expected(case, tracker):
    said = case({"A": answers("A", 1), "B": answers("B", 1), "C": answers("C", 1)})
    said.vote(0, "A", "ana")
    said.vote(0, "C", "ana", among=("B", "C"))
    said.vote(0, "A", "ana", among=("A", "C"))
    assert feedback.to_dataset(said.runs, tracker=tracker)[0].expected == "A says 0"
    said.vote(0, "C", "ana", among=("A", "C"))
    said.vote(0, "B", "ana", among=("B", "C"))
    with pytest.raises(NotFound):  # each is beaten by one of the others
        feedback.to_dataset(said.runs, tracker=tracker)


def test_a_correction_is_one_valid_expectation_of_its_author(case, tracker):
    said = case({"A": answers("A", 1)})
    [trace] = said.traces["A"]
    first = feedback.correct(trace, "one", rater="ana", tracker=tracker)
    assert feedback.correct(trace, "one", rater="ana", tracker=tracker) == first
    feedback.correct(trace, {"answer": "two"}, rater="ana", tracker=tracker)
    kept = tracker.corrections([trace])
    assert kept[["name", "value", "source", "source_id"]].to_numpy().tolist() == [
        ["expected_response", {"answer": "two"}, "HUMAN", "ana"]
    ]
    with pytest.raises(InvalidInput, match="should have come out"):
        feedback.correct(trace, "  ", rater="ana", tracker=tracker)


# -- labels


def test_labels_are_what_a_judge_is_measured_against(case, tracker):
    said = case({"A": answers("A", 2), "B": answers("B", 2)})
    feedback.rate(said.traces["A"][0], 4, rater="ana", tracker=tracker)
    feedback.rate(said.traces["A"][0], 2, rater="bob", tracker=tracker)
    said.vote(1, "B", "ana")
    rated = feedback.labels(said.runs, tracker=tracker)
    assert sorted((each.example.id, each.output, each.label) for each in rated) == [
        ("e0", "A says 0", 2.0),
        ("e0", "A says 0", 4.0),
    ]
    assert all(isinstance(each, Labelled) for each in rated)
    [pair] = feedback.pair_labels(said.runs, tracker=tracker)
    assert isinstance(pair, LabelledPair)
    assert (pair.example.inputs, pair.a, pair.b, pair.label) == ({"q": "case 1"}, "A says 1", "B says 1", "b")
    with pytest.raises(InvalidInput, match="Nobody has said anything"):
        feedback.labels(said.runs, name="tone", tracker=tracker)
