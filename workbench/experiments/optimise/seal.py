"""The seal of a holdout: how often it was opened, and how sure a finding must be that is not the first on it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

_FILE = Path("journal") / "holdouts.jsonl"


def open_seal(home: Path, *, holdout: str, candidate: str) -> int:
    """Note that a candidate is tested on a holdout, by their hashes; return which look at it that is, from 1.

    The same candidate again is the same look.
    """
    path = home / _FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        looks = [entry["candidate"] for entry in map(json.loads, lines) if entry["holdout"] == holdout]
        if candidate in looks:
            return looks.index(candidate) + 1
        entry = {"holdout": holdout, "candidate": candidate, "at": datetime.now(UTC).isoformat()}
        with path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")
        return len(looks) + 1


def confidence_of(look: int, confidence: float) -> float:
    """Return the confidence of one look, so that all looks together err no more often than `confidence` allows.

    The shares of the error, 6 / (pi k)^2 for look k, sum to 1 however many looks there will be.
    """
    return 1 - (1 - confidence) * 6 / (math.pi * look) ** 2
