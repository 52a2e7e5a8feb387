"""Review queues on a real MLflow store: who is shown what, on which side, how often; and each vote exactly once."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import threading
from collections import Counter, defaultdict
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import count

import pandas as pd
import pytest
from click.testing import CliRunner

from workbench import feedback
from workbench.cli import main
from workbench.errors import InvalidInput, NotFound, PermissionDenied, TrackingError
from workbench.feedback import review_queue
from workbench.feedback.booth import HELD_SECONDS, Booth
from workbench.feedback.pair import rater_seed
from workbench.feedback.standing import standing
from workbench.feedback.work_list import WorkList, work_list
from workbench.tracking import RunRecord, TraceRecord

NOW = datetime(2026, 5, 4, tzinfo=UTC)
numbers = count()


def write_run(tracker, name, outputs, **columns):
    """A candidate's run as experiments write it."""
    records, rows = [], []
    for number, output in enumerate(outputs):
        moment = NOW + timedelta(seconds=number)
        record = TraceRecord("queue", {"message": f"case {number}"}, output, moment, moment)
        records.append(record)
        cell = {"example_id": f"e{number}", "repeat": 0, "output": output, "error": None, "trace_id": record.trace_id}
        rows.append(cell | {key: values[number] for key, values in columns.items()})
    table = {"cells.json": pd.DataFrame(rows)}
    return tracker.write_run(
        RunRecord("queues", name, tables=table, traces=records, tags={"workbench.candidate": name})
    )


@pytest.fixture
def make(tracker, tracking_settings):
    """Share runs of so many answers, and return the booth and the runs."""

    def made(answers, *, candidates=("A", "B"), clock=None, **wish):
        mark = next(numbers)
        runs = [write_run(tracker, name, [f"{name} {mark} {n}" for n in range(answers)]) for name in candidates]
        shared = feedback.share(runs, tracker=tracker, settings=tracking_settings, **wish)
        queue, _ = review_queue.by_token((shared.url or next(iter(shared.urls.values()))).split("t=")[1],
                                                  tracker=tracker)  # fmt: skip
        return (Booth(queue, tracker=tracker, clock=clock) if clock else Booth(queue, tracker=tracker)), runs

    return made


def vote_all(booth, rater, choose=lambda ballot: "left"):
    """Judge everything that there is for a rater; return the ballots."""
    seen = []
    while (ballot := booth.next(rater)) is not None:
        seen.append(ballot)
        assert booth.cast(ballot.ticket, choose(ballot), rater)
        assert len(seen) < 200
    return seen


def look_at_all(booth, rater):
    """As `vote_all`, without MLflow: for what is shown, and how."""
    seen = []
    while (ballot := booth.next(rater)) is not None:
        seen.append(ballot)
        booth._list.say(ballot.ticket, "tie", None, None, now=len(seen))
        booth._list.written(ballot.ticket)
        assert len(seen) < 200
    return seen


def first_on_the_left(ballot):
    return ballot.answers[0].text.startswith("A")


# -- links


def test_a_link_names_nothing_and_mlflow_keeps_its_hash_alone(make, tracker, tracking_settings):
    booth, runs = make(2)
    shared = feedback.share(runs, tracker=tracker, settings=tracking_settings, app_url="https://studio.example.com/")
    assert shared.url.startswith("https://studio.example.com/vote?t=")
    token = shared.url.split("t=")[1]
    assert all(word not in shared.url for word in (*runs, shared.queue_id, "A", "B") if len(word) > 1)
    stored = tracker.run(shared.queue_id)
    assert token not in repr(stored)
    assert token not in tracker.artifact(shared.queue_id, "queue.json").decode()
    assert token not in repr(shared)
    opened, rater = feedback.open_link(token, tracker=tracker)
    assert (opened.queue.queue_id, rater) == (shared.queue_id, None)
    assert booth.queue.queue_id != shared.queue_id


def test_a_link_of_ones_own_names_its_rater(make, tracker, tracking_settings):
    _, runs = make(2)
    shared = feedback.share(runs, raters=["ana", "bob"], tracker=tracker, settings=tracking_settings)
    assert shared.url is None
    assert shared.raters_per_item == 2
    found = {rater: feedback.open_link(url.split("t=")[1], tracker=tracker)[1] for rater, url in shared.urls.items()}
    assert found == {"ana": "ana", "bob": "bob"}


def test_one_name_is_one_rater_and_one_link(make, tracker, tracking_settings):
    _, runs = make(1)
    for raters in ("ana", ["ana", "ana "]):
        shared = feedback.share(runs, raters=raters, tracker=tracker, settings=tracking_settings)
        assert (list(shared.urls), shared.raters_per_item) == (["ana"], 1)


def test_another_question_about_the_same_answers_needs_another_name(make, tracker, tracking_settings):
    _, runs = make(1, candidates=("A", "B", "C"))

    def share(run_ids, **options):
        return feedback.share(run_ids, tracker=tracker, settings=tracking_settings, **options)

    with pytest.raises(InvalidInput, match="Which answer is better") as caught:
        share(runs[1:], question="Which one is kinder?")
    assert "name=" in caught.value.hint
    share(runs[1:], question="Which one is kinder?", name="kindness")
    share(runs[1:])
    share(runs[:1], question="How kind is it?")
    with pytest.raises(InvalidInput, match="How kind is it"):
        share(runs[:1])
    _, others = make(1)
    share([runs[0], others[0]], question="Which one is kinder?")


def test_the_command_shares_lists_closes_and_ranks(make, tracking_home):
    _, runs = make(2)

    def call(*arguments):
        done = CliRunner().invoke(main, ["feedback", *arguments], catch_exceptions=False)
        return done.output

    asked = ("--question", "Which one is kinder?")
    assert "Under the name 'preference'" in call("share", *runs, *asked)
    told = call("share", *runs, *asked, "--name", "kindness")
    [number] = re.findall(r"feedback close (\w+)", told)
    vote_all(feedback.open_queue(number), "ana")
    [row] = [each for each in json.loads(call("list", "--json")) if each["queue_id"] == number]
    assert (row["name"], row["finished"], row["items"], row["ended"]) == ("kindness", 0, 2, False)
    assert number in call("list")
    assert "Nobody has voted" in call("leaderboard", *runs)
    assert "n = 2 votes of 1 rater" in call("leaderboard", *runs, "--name", "kindness")
    call("close", number)
    assert number not in call("list")
    assert number in call("list", "--all")


def test_a_link_that_is_unknown_expired_or_closed_opens_nothing(make, tracker, tracking_settings):
    booth, runs = make(2)
    with pytest.raises(NotFound, match="leads nowhere"):
        feedback.open_link("x" * 32, tracker=tracker)
    old = feedback.share(runs, expires=timedelta(seconds=-1), tracker=tracker, settings=tracking_settings)
    with pytest.raises(PermissionDenied, match="has ended"):
        feedback.open_link(old.url.split("t=")[1], tracker=tracker)
    shared = feedback.share(runs, tracker=tracker, settings=tracking_settings)
    feedback.close_queue(shared.queue_id, tracker=tracker)
    with pytest.raises(PermissionDenied, match="has ended"):
        feedback.open_link(shared.url.split("t=")[1], tracker=tracker)
    assert {each.queue_id for each in feedback.queues(tracker=tracker)} >= {shared.queue_id, booth.queue.queue_id}


@pytest.mark.parametrize(
    "wish",
    [
        {"raters": []}, {"raters": ["ana", " "]}, {"raters": 0}, {"raters_per_item": 0}, {"again": 1.5},
        {"raters": ["ana", "bob"], "raters_per_item": 3}, {"limit": 0}, {"limit": -1},
    ],
    ids=str,
)  # fmt: skip
def test_a_share_that_can_not_work_is_refused(make, wish):
    with pytest.raises(InvalidInput):
        make(1, **wish)


def test_runs_that_answered_alike_give_nothing_to_share(tracker, tracking_settings):
    runs = [write_run(tracker, name, ["same"]) for name in ("A", "B")]
    with pytest.raises(InvalidInput, match="nothing to look at"):
        feedback.share(runs, tracker=tracker, settings=tracking_settings)


# -- who is shown what


def test_an_item_is_done_when_so_many_different_people_judged_it(make):
    booth, _ = make(4, raters=2, again=0)
    assert len(look_at_all(booth, "ana")) == len(look_at_all(booth, "bob")) == 4
    assert booth.finished() == (4, 4)
    assert booth.next("eve") is None
    assert booth.progress("ana") == feedback.Progress(done=4, left=0)


def test_the_last_place_at_an_item_goes_to_one_of_two_who_ask_at_once(make, tracker):
    booth, _ = make(1, raters=1)
    others = [Booth(booth.queue, tracker=tracker) for _ in range(6)]
    ready, got = threading.Barrier(6), []

    def ask(number):
        ready.wait(30)
        got.append(others[number].next(f"rater {number}"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [ballot is not None for ballot in got].count(True) == 1


def test_a_place_that_is_held_too_long_goes_to_somebody_else_and_a_late_vote_still_counts(make):
    now = [1_000_000.0]
    booth, _runs = make(1, raters=1, clock=lambda: now[0])
    late = booth.next("ana")
    assert booth.next("bob") is None
    now[0] += HELD_SECONDS + 1
    ballot = booth.next("bob")
    assert ballot is not None
    assert booth.next("ana") is None, "two people have the one place"
    assert booth.cast(ballot.ticket, "left", "bob")
    with pytest.raises(NotFound, match="out of date"):  # ana gave the place up when she asked again
        booth.cast(late.ticket, "left", "ana")
    assert booth.finished() == (1, 1)


def test_a_vote_after_the_place_ran_out_is_not_lost(make, tracker):
    now = [1_000_000.0]
    booth, runs = make(1, raters=1, clock=lambda: now[0])
    late = booth.next("ana")
    now[0] += HELD_SECONDS + 1
    assert booth.cast(booth.next("bob").ticket, "left", "bob")
    assert booth.cast(late.ticket, "tie", "ana")
    assert feedback.tally(*runs, tracker=tracker).n == 2


def test_sides_are_balanced_for_each_rater_and_differ_between_raters(make):
    booth, _ = make(10, raters=4, again=0)
    sides = {}
    for rater in ("ana", "bob", "eve", "joe"):
        seen = look_at_all(booth, rater)
        assert sum(map(first_on_the_left, seen)) == 5
        for upto in range(0, 11, 2):
            assert sum(map(first_on_the_left, seen[:upto])) == upto // 2, "a rater who leaves early saw one side more"
        sides[rater] = tuple(ballot.answers[0].inputs["message"] + str(first_on_the_left(ballot)) for ballot in seen)
    assert len(set(sides.values())) == 4


def test_three_candidates_meet_equally_often_and_sides_are_balanced_within_each_meeting(make):
    booth, _ = make(6, candidates=("A", "B", "C"), limit=12, again=0)
    seen = look_at_all(booth, "ana")
    meetings = defaultdict(list)
    for ballot in seen:
        names = [answer.text[0] for answer in ballot.answers]
        meetings[frozenset(names)].append(names[0] == min(names))
    assert {len(sides) for sides in meetings.values()} == {4}
    assert {sum(sides) for sides in meetings.values()} == {2}


def test_one_in_seven_items_is_shown_again(make):
    booth, _ = make(14, raters=1)
    cases = Counter(ballot.answers[0].inputs["message"] for ballot in look_at_all(booth, "ana"))
    assert sorted(cases.values()) == [1] * 12 + [2] * 2


def test_what_is_shown_again_has_its_sides_swapped_and_counts_for_no_tally(make, tracker):
    booth, runs = make(6, raters=1, again=0.5)
    seen = vote_all(booth, "ana", lambda ballot: "left" if first_on_the_left(ballot) else "right")
    cases = Counter(ballot.answers[0].inputs["message"] for ballot in seen)
    assert sorted(cases.values()) == [1] * 3 + [2] * 3
    for case in (case for case, times in cases.items() if times == 2):
        once, again = [place for place, ballot in enumerate(seen) if ballot.answers[0].inputs["message"] == case]
        assert again - once > 3
        assert first_on_the_left(seen[once]) != first_on_the_left(seen[again])
    said = feedback.tally(*runs, tracker=tracker)
    assert (said.wins_a, said.wins_b, said.n) == (6, 0, 6)
    board = feedback.leaderboard(runs, tracker=tracker)
    assert (board.consistency.mean, board.consistency.n, board.ranking.n) == (1.0, 3, 6)


def test_a_queue_that_was_shared_when_there_were_gold_items_still_opens(make, tracker, monkeypatch):
    booth, _ = make(1)
    kept = tracker.artifact(booth.queue.queue_id, "queue.json")
    monkeypatch.setattr(type(tracker), "artifact", lambda *_: json.dumps({**json.loads(kept), "gold": {}}).encode())
    review_queue._kept.cache_clear()
    assert review_queue.by_id(booth.queue.queue_id, tracker=tracker) == booth.queue


def test_nothing_of_a_ballot_tells_whose_an_answer_is(make):
    booth, runs = make(3)
    ballot = booth.next("ana")
    again = booth.next("ana")
    assert again.ticket == ballot.ticket, "asked again, it is the same place"
    shown = repr(ballot.ticket) + ballot.question + repr([answer.inputs for answer in ballot.answers])
    for secret in (*runs, booth.queue.queue_id, booth.queue.seed, *(answer.trace_id for answer in ballot.answers)):
        assert secret not in shown
    assert {field.name for field in fields(ballot)} == {"ticket", "kind", "question", "answers"}
    assert booth.queue.seed not in repr(booth.queue)


def test_sides_can_not_be_told_without_the_seed_of_the_server(make, tracker):
    booth, _runs = make(12, again=0)
    other = Booth(
        type(booth.queue)(
            **{**{f.name: getattr(booth.queue, f.name) for f in fields(booth.queue)}, "seed": "guess", "queue_id": "x"}
        ),
        tracker=tracker,
    )

    def sides(booth):
        look_at_all(booth, "ana")
        return {place.item: place.first_left for place in booth._list.of_rater(booth.queue.queue_id, "ana")}

    assert sides(booth) != sides(other)


def test_the_order_of_a_rater_outside_a_queue_stays_and_is_drawn_from_this_home_alone(tracker, tmp_path):
    assert rater_seed("ana", tracker=tracker) == rater_seed("ana", tracker=tracker)
    assert rater_seed("ana", tracker=tracker) != rater_seed("bob", tracker=tracker)
    assert WorkList(tmp_path).secret() == WorkList(tmp_path).secret() != work_list(tracker.home).secret()


# -- each vote once


def test_a_button_that_is_pressed_twice_or_in_two_tabs_is_one_vote_and_the_first_stands(make, tracker):
    booth, runs = make(1, raters=1)
    ballot = booth.next("ana")
    word = "left" if first_on_the_left(ballot) else "right"
    ready, first = threading.Barrier(8), []

    def press(choice):
        ready.wait(30)
        first.append(booth.cast(ballot.ticket, choice, "ana"))

    threads = [threading.Thread(target=press, args=(word,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert first.count(True) == 1
    assert not booth.cast(ballot.ticket, "both_bad", "ana"), "another tab, later"
    said = feedback.tally(*runs, tracker=tracker)
    assert (said.wins_a, said.n) == (1, 1)
    traces = [trace.trace_id for run in runs for trace in tracker.traces(run)]
    assert len(tracker.ratings(traces)) == 2


def test_a_vote_that_broke_off_before_mlflow_had_it_is_written_when_the_queue_is_opened_again(make, tracker):
    booth, runs = make(1, raters=1)
    ballot = booth.next("ana")
    booth._list.say(ballot.ticket, "tie", "why not", None, now=1.0)  # what `cast` does before it asks MLflow
    assert feedback.tally(*runs, tracker=tracker).n == 0
    Booth(booth.queue, tracker=tracker)
    said = feedback.ratings(runs[0], tracker=tracker)
    assert (said["value"].tolist(), said["rationale"].tolist()) == (["tie"], ["why not"])


def test_a_work_list_that_is_lost_is_made_again_from_mlflow(make, tracker, monkeypatch, tmp_path):
    booth, _runs = make(7, raters=2)
    vote_all(booth, "ana")
    before = sorted((p.item, p.rater, p.showing, p.first_left, p.word) for p in booth._list.voted(booth.queue.queue_id))
    monkeypatch.setattr("workbench.feedback.booth.work_list", lambda home: WorkList(tmp_path))
    anew = Booth(booth.queue, tracker=tracker)
    after = sorted((p.item, p.rater, p.showing, p.first_left, p.word) for p in anew._list.voted(booth.queue.queue_id))
    assert after == before
    assert anew.next("ana") is None
    assert anew.progress("bob").left == 7


def test_a_ballot_is_its_raters_alone_and_its_words_are_few(make):
    booth, _ = make(1)
    ballot = booth.next("ana")
    with pytest.raises(PermissionDenied, match="another rater's"):
        booth.cast(ballot.ticket, "left", "bob")
    with pytest.raises(InvalidInput, match="left, tie, both_bad, right"):
        booth.cast(ballot.ticket, "5", "ana")
    with pytest.raises(NotFound, match="out of date"):
        booth.cast("another", "left", "ana")


def test_a_queue_of_one_run_asks_for_stars_and_a_correction(make, tracker):
    booth, [run] = make(2, candidates=("A",), raters=1, again=0)
    ballot = booth.next("ana")
    assert (ballot.kind, len(ballot.answers)) == ("answers", 1)
    assert booth.cast(ballot.ticket, "2", "ana", comment="too short", correction="This is it.")
    said = feedback.ratings(run, tracker=tracker)
    assert said[["name", "value", "source", "source_id", "rationale"]].to_numpy().tolist() == [
        ["stars", 2, "HUMAN", "ana", "too short"]
    ]
    assert tracker.expectations([ballot.answers[0].trace_id]) == {
        ballot.answers[0].trace_id: {"expected_response": "This is it."}
    }


def test_votes_survive_chaos_none_lost_none_doubled(make, tracker):
    """Double clicks, two tabs with different words, reconnects, a store that fails in between; the small form of
    `tests.benchmarks.votes`."""
    booth, runs = make(5, raters=3, again=0)
    told: dict[tuple[str, str], str] = {}

    def rate(rater):
        draw = random.Random(rater)
        own = Booth(booth.queue, tracker=tracker)
        while (ballot := own.next(rater)) is not None:
            if draw.random() < 0.2:
                own = Booth(booth.queue, tracker=tracker)  # a reconnect, or another process
                assert own.next(rater).ticket == ballot.ticket
            word = draw.choice(["left", "right", "tie", "both_bad"])
            if draw.random() < 0.2:  # the process dies between the press and MLflow
                own._list.say(ballot.ticket, word, None, None, now=1.0)
                own = Booth(booth.queue, tracker=tracker)
            else:
                assert own.cast(ballot.ticket, word, rater)
            told[rater, ballot.ticket] = word
            for _ in range(draw.randrange(3)):
                assert not own.cast(ballot.ticket, draw.choice(["left", "tie", word]), rater)

    threads = [threading.Thread(target=rate, args=(rater,)) for rater in ("ana", "bob", "eve", "joe")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(told) == 15
    kept = booth._list.voted(booth.queue.queue_id)
    assert {(place.rater, place.ticket): place.word for place in kept} == told
    assert all(place.written for place in kept)
    in_mlflow = standing(booth.queue, booth._items.values(), tracker=tracker)
    assert sorted((p.item, p.rater, p.word) for p in in_mlflow) == sorted((p.item, p.rater, p.word) for p in kept)
    assert feedback.tally(*runs, tracker=tracker).n == 15


def test_the_work_list_is_its_owners_alone_and_outlives_the_process(tracker):
    file = work_list(tracker.home).path
    assert file.stat().st_mode & 0o077 == 0
    with sqlite3.connect(file) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_store_that_fails_is_told_and_the_vote_waits(make, tracker, monkeypatch):
    booth, runs = make(1, raters=1)
    ballot = booth.next("ana")

    class Gone:
        def __getattr__(self, name):
            raise TrackingError("MLflow is away.")

    with monkeypatch.context() as patched:
        patched.setattr(booth, "_tracker", Gone())
        with pytest.raises(TrackingError, match="away"):
            booth.cast(ballot.ticket, "left", "ana")
    booth.sync()
    assert feedback.tally(*runs, tracker=tracker).n == 1
