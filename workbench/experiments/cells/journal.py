"""The journal: every answer, kept under the hash of what it depends on as soon as it arrives.

A work log in sqlite below home, append-only; MLflow is authoritative once a run is written. Reading it back is what
makes an interrupted experiment go on without paying twice. That a call is about to be sent is noted before, so that
one whose answer was lost with its process is known, and can be looked for at the gateway.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.errors import Unavailable
from workbench.evidence import Output, Score
from workbench.experiments.cells.cell import Address, Answer, Job
from workbench.experiments.cells.writer import Statement, Writer
from workbench.wire.usage import Usage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL, experiment_id TEXT NOT NULL, candidate TEXT NOT NULL,
    example_id TEXT NOT NULL, repeat INTEGER NOT NULL, written_at TEXT NOT NULL, answer TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_key ON answers (key, seq);
CREATE TABLE IF NOT EXISTS images (hash TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sendings (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, sent_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS sendings_by_key ON sendings (key, seq);
CREATE TABLE IF NOT EXISTS failures (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL, experiment_id TEXT NOT NULL, candidate TEXT NOT NULL,
    example_id TEXT NOT NULL, repeat INTEGER NOT NULL, written_at TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS failures_by_key ON failures (key, seq);
CREATE TABLE IF NOT EXISTS scores (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL, experiment_id TEXT NOT NULL, scorer TEXT NOT NULL,
    written_at TEXT NOT NULL, value REAL, note TEXT NOT NULL, cost_usd REAL
);
CREATE INDEX IF NOT EXISTS scores_by_key ON scores (key, seq);
"""
_KEPT = ("answers", "sendings", "failures", "scores")
_STAY = "".join(
    f"""
CREATE TRIGGER IF NOT EXISTS {table}_stay BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS {table}_remain BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
    for table in _KEPT
)
_BUSY_SECONDS = 30
_KEYS_A_QUERY = 500


class Journal:
    """The answers of all experiments of one home, safe to share between threads and processes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "journal" / "answers.sqlite"
        self._reading = threading.Lock()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database, self._reader = (
                sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
                for _ in range(2)  # who reads does not wait for the disk of who writes
            )
            # An answer is durable before it counts, and is worth its fsync: it was paid for.
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA + _STAY)
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"The journal {self.path} can't be opened: {error}.") from error
        self._writer = Writer(self._database)

    def write(self, job: Job, answer: Answer, *, experiment_id: str) -> None:
        """Keep an answer; it is durable at return. A job without a key is not kept. Raises Unavailable."""
        if job.key is None:
            return
        try:
            self.keep(job.address, answer, experiment_id=experiment_id).result()
        except sqlite3.Error as error:
            raise self.refused(error) from error

    def keep(self, address: Address, answer: Answer, *, experiment_id: str) -> Future[None]:
        """Keep an answer; it is durable when the future is done, which raises sqlite3.Error where it can't be."""
        images = {hashlib.sha256(content).hexdigest(): content for content in answer.output.images}
        statements: list[Statement] = [("INSERT OR IGNORE INTO images VALUES (?, ?)", row) for row in images.items()]
        row = (*_head(address, experiment_id), _dumps(answer))
        statements.append(("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row))
        return self._writer.write(statements)

    def begin(self, key: str) -> Future[None]:
        """Note that a call is about to be sent."""
        return self._writer.write([("INSERT INTO sendings (key, sent_at) VALUES (?, ?)", (key, _now()))])

    def fail(self, address: Address, error: str, *, experiment_id: str) -> Future[None]:
        """Note that a call which was sent has surely no answer, and why."""
        row = (*_head(address, experiment_id), _clean(error))
        return self._writer.write([("INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)])

    def keep_score(self, key: str, scorer: str, score: Score, *, experiment_id: str) -> Future[None]:
        """Keep what a scorer that asks has said of one output."""
        row = (None, key, experiment_id, scorer, _now(), score.value, _clean(score.note), score.cost_usd)
        return self._writer.write([("INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)])

    def find(self, keys: Iterable[str]) -> dict[str, Answer]:
        """Return the last answer under each key that has one."""
        query = "SELECT key, answer FROM answers WHERE key IN ({}) ORDER BY seq"
        return {key: self._loads(text) for key, text in self._rows(query, keys)}

    def find_scores(self, keys: Iterable[str]) -> dict[str, Score]:
        """Return the last score under each key that has one."""
        query = "SELECT key, value, note, cost_usd FROM scores WHERE key IN ({}) ORDER BY seq"
        return {key: Score(value, note, cost_usd) for key, value, note, cost_usd in self._rows(query, keys)}

    def doubtful(self, keys: Iterable[str]) -> dict[str, datetime]:
        """Return the keys of calls that were sent and of which nobody knows how they ended, and when they were sent."""
        query = (
            "SELECT key, max(sent_at) AS last FROM sendings WHERE key IN ({}) GROUP BY key HAVING"
            " NOT EXISTS (SELECT 1 FROM answers a WHERE a.key = sendings.key AND a.written_at >= last)"
            " AND NOT EXISTS (SELECT 1 FROM failures f WHERE f.key = sendings.key AND f.written_at >= last)"
        )
        return {key: datetime.fromisoformat(sent_at) for key, sent_at in self._rows(query, keys)}

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._writer.close()
        self._database.close()
        with self._reading:
            self._reader.close()

    def refused(self, error: sqlite3.Error) -> Unavailable:
        """Return the error of a journal that can't be written."""
        return Unavailable(
            f"The journal {self.path} can't be written: {error}.", hint="Is the disk full, or read-only?"
        )

    def _rows(self, query: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        wanted = sorted(set(keys))
        for start in range(0, len(wanted), _KEYS_A_QUERY):
            part = wanted[start : start + _KEYS_A_QUERY]
            try:
                with self._reading:
                    rows = self._reader.execute(query.format(",".join("?" * len(part))), part).fetchall()
            except sqlite3.Error as error:
                raise Unavailable(f"The journal {self.path} can't be read: {error}.") from error
            yield from rows

    def _loads(self, text: str) -> Answer:
        fields: dict[str, Any] = json.loads(text)
        with self._reading:
            images = [
                self._reader.execute("SELECT content FROM images WHERE hash = ?", (digest,)).fetchone()[0]
                for digest in fields["images"]
            ]
        usage = fields["usage"]
        return Answer(
            output=Output(fields["text"], tuple(images), contexts=tuple(fields.get("contexts", ()))),
            started_at=datetime.fromisoformat(fields["started_at"]),
            ended_at=datetime.fromisoformat(fields["ended_at"]),
            latency_ms=fields["latency_ms"],
            request_id=fields["request_id"],
            model=fields["model"],
            cost_usd=fields["cost_usd"],
            usage=None if usage is None else Usage(**usage),
        )


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _head(address: Address, experiment_id: str) -> tuple[object, ...]:
    """Return the first columns of what is kept of a call."""
    names = (_clean(address.candidate), _clean(address.example_id))
    return (None, address.key, experiment_id, *names, address.repeat, _now())


def _clean(text: str) -> str:
    """Return a text as sqlite can keep it: of half a character, which models write now and then, it makes a `?`."""
    return text.encode("utf-8", "replace").decode()


def _dumps(answer: Answer) -> str:
    return json.dumps(
        {
            "text": answer.output.text,
            "images": [hashlib.sha256(content).hexdigest() for content in answer.output.images],
            **({"contexts": list(answer.output.contexts)} if answer.output.contexts else {}),
            "started_at": answer.started_at.isoformat(),
            "ended_at": answer.ended_at.isoformat(),
            "latency_ms": answer.latency_ms,
            "request_id": answer.request_id,
            "model": answer.model,
            "cost_usd": answer.cost_usd,
            "usage": None if answer.usage is None else answer.usage.as_dict(),
        }
    )
