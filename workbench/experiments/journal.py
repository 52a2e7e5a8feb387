"""The journal: every answer, kept under the hash of what it depends on as soon as it arrives.

A work log in sqlite below home, append-only; MLflow is authoritative once a run is written. Reading it back is what
makes an interrupted experiment go on without paying twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.errors import Unavailable
from workbench.evidence import Output
from workbench.experiments.cell import Answer, Job
from workbench.wire.usage import Usage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL, experiment_id TEXT NOT NULL, candidate TEXT NOT NULL,
    example_id TEXT NOT NULL, repeat INTEGER NOT NULL, written_at TEXT NOT NULL, answer TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_key ON answers (key, seq);
CREATE TABLE IF NOT EXISTS images (hash TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TRIGGER IF NOT EXISTS answers_stay BEFORE UPDATE ON answers
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS answers_remain BEFORE DELETE ON answers
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
_BUSY_SECONDS = 30
_KEYS_A_QUERY = 500


class Journal:
    """The answers of all experiments of one home, safe to share between threads and processes."""

    def __init__(self, home: Path) -> None:
        self.path = home / "journal" / "answers.sqlite"
        self._lock = threading.Lock()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
            # An answer is written before the next call is sent, and is worth its fsync: it was paid for.
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"The journal {self.path} can't be opened: {error}.") from error

    def write(self, job: Job, answer: Answer, *, experiment_id: str) -> None:
        """Keep an answer; it is durable at return. A job without a key is not kept."""
        if job.key is None:
            return
        images = {hashlib.sha256(content).hexdigest(): content for content in answer.output.images}
        now = datetime.now(UTC).isoformat()
        row = (job.key, experiment_id, job.candidate.name, job.example.id, job.repeat, now, _dumps(answer))
        try:
            with self._lock:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    self._database.executemany("INSERT OR IGNORE INTO images VALUES (?, ?)", images.items())
                    self._database.execute(
                        "INSERT INTO answers (key, experiment_id, candidate, example_id, repeat, written_at, answer)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?)",
                        row,
                    )
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise Unavailable(
                f"The journal {self.path} can't be written: {error}.", hint="Is the disk full, or read-only?"
            ) from error

    def find(self, keys: Iterable[str]) -> dict[str, Answer]:
        """Return the last answer under each key that has one."""
        wanted = sorted(set(keys))
        found: dict[str, Answer] = {}
        try:
            with self._lock:
                for start in range(0, len(wanted), _KEYS_A_QUERY):
                    part = wanted[start : start + _KEYS_A_QUERY]
                    marks = ",".join("?" * len(part))
                    rows = self._database.execute(
                        f"SELECT key, answer FROM answers WHERE key IN ({marks}) ORDER BY seq",  # noqa: S608 - only marks
                        part,
                    )
                    for key, text in rows.fetchall():
                        found[key] = self._loads(text)
        except sqlite3.Error as error:
            raise Unavailable(f"The journal {self.path} can't be read: {error}.") from error
        return found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _loads(self, text: str) -> Answer:
        fields: dict[str, Any] = json.loads(text)
        images = [
            self._database.execute("SELECT content FROM images WHERE hash = ?", (digest,)).fetchone()[0]
            for digest in fields["images"]
        ]
        usage = fields["usage"]
        return Answer(
            output=Output(fields["text"], tuple(images)),
            started_at=datetime.fromisoformat(fields["started_at"]),
            ended_at=datetime.fromisoformat(fields["ended_at"]),
            latency_ms=fields["latency_ms"],
            request_id=fields["request_id"],
            model=fields["model"],
            cost_usd=fields["cost_usd"],
            usage=None if usage is None else Usage(**usage),
        )


def _dumps(answer: Answer) -> str:
    return json.dumps(
        {
            "text": answer.output.text,
            "images": [hashlib.sha256(content).hexdigest() for content in answer.output.images],
            "started_at": answer.started_at.isoformat(),
            "ended_at": answer.ended_at.isoformat(),
            "latency_ms": answer.latency_ms,
            "request_id": answer.request_id,
            "model": answer.model,
            "cost_usd": answer.cost_usd,
            "usage": None if answer.usage is None else answer.usage.as_dict(),
        }
    )
