"""The journal: what goes in comes out, and nothing goes away."""

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from workbench.errors import Unavailable
from workbench.evidence import Example, Output, Score
from workbench.experiments import Answer, Candidate
from workbench.experiments.cells.cell import Job, origin_of
from workbench.experiments.cells.journal import Journal
from workbench.wire.usage import Usage

CANDIDATE = Candidate("a", prompt="{{q}}", model="m")
ANSWER = Answer(
    output=Output("naïve \u2028 \ud800 text", (b"\x89PNG one", b"two")),
    started_at=datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC),
    ended_at=datetime(2026, 11, 1, 12, 0, 1, tzinfo=UTC),
    latency_ms=876.5,
    request_id="r",
    model="m",
    cost_usd=None,
    usage=Usage(5, 7, 1),
)


@pytest.fixture
def journal(home):
    opened = Journal(home)
    yield opened
    opened.close()


def job(number, repeat=0):
    return Job.of(CANDIDATE, Example(f"e{number}", {"q": number}), repeat)


def test_an_answer_is_found_as_it_was_also_by_the_next_process(journal, home):
    journal.write(job(1), ANSWER, experiment_id="x")
    later = Journal(home)
    assert later.find([job(1).key, job(2).key]) == {job(1).key: ANSWER}
    later.close()


def test_the_last_answer_counts(journal):
    journal.write(job(1), ANSWER, experiment_id="x")
    journal.write(job(1), replace(ANSWER, request_id="later"), experiment_id="y")
    assert journal.find([job(1).key])[job(1).key].request_id == "later"


def test_repeats_and_examples_have_addresses_of_their_own():
    assert len({job(1).key, job(2).key, job(1, repeat=1).key}) == 3
    assert job(1).key == job(1).key


def test_nothing_is_changed_or_deleted(journal):
    journal.write(job(1), ANSWER, experiment_id="x")
    database = sqlite3.connect(journal.path)
    for statement in ("UPDATE answers SET answer = '{}'", "DELETE FROM answers"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)
    database.close()


def test_only_the_owner_may_read_it(journal):
    assert journal.path.stat().st_mode & 0o077 == 0
    assert journal.path.parent.stat().st_mode & 0o077 == 0


def test_many_threads_and_two_openings_write_beside_each_other(journal, home):
    other = Journal(home)

    def write(into, start):
        for number in range(start, start + 10):
            into.write(job(number), ANSWER, experiment_id="x")

    threads = [threading.Thread(target=write, args=(into, i * 10)) for i, into in enumerate([journal, other] * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.find([job(number).key for number in range(40)])) == 40
    other.close()


def test_a_journal_that_can_not_be_opened_says_where(tmp_path):
    (tmp_path / "journal").write_text("a file in its place")
    with pytest.raises(Unavailable, match="journal"):
        Journal(tmp_path)


def test_one_row_that_can_not_be_written_loses_no_other(journal):
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # so that all of them wait for one transaction
    good, bad, late = (journal.begin(key) for key in ("good", "half a character \ud83d", "late"))
    other.execute("ROLLBACK")
    other.close()
    with pytest.raises(UnicodeEncodeError):
        bad.result()
    assert (good.result(), late.result()) == (None, None)
    assert set(journal.doubtful(["good", "late"])) == {"good", "late"}


def test_half_a_character_in_a_name_an_error_or_a_note_is_kept_as_a_question_mark(journal):
    address = replace(job(1).address, example_id="e\ud83d", candidate="a\ud83d")
    journal.fail(address, "ValueError: \ud83d", experiment_id="x").result()
    journal.keep(address, ANSWER, experiment_id="x").result()
    journal.keep_score("k", "judge", Score(1.0, "since \ud83d"), experiment_id="x").result()
    assert journal.find_scores(["k"])["k"].note == "since ?"


@pytest.mark.parametrize(("url", "same"), [("http://127.0.0.1:8000", True), ("https://gateway.example", False)])
def test_answers_of_a_gateway_elsewhere_have_keys_of_their_own(url, same):
    origin = origin_of(SimpleNamespace(url=url))
    example = Example("e1", {"q": 1})
    assert (Job.of(CANDIDATE, example, 0, origin=origin).key == job(1).key) is same
    callable_one = Candidate("f", call=str, version="1")
    assert Job.of(callable_one, example, 0, origin=origin).key == Job.of(callable_one, example, 0).key
