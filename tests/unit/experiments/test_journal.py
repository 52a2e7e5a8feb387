"""The journal: what goes in comes out, and nothing goes away."""

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from workbench.errors import Unavailable
from workbench.evidence import Example, Output
from workbench.experiments import Answer, Candidate
from workbench.experiments.cell import Job
from workbench.experiments.journal import Journal
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
