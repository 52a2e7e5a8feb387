"""Saved versions of datasets: runs of one MLflow experiment, each with its examples as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound
from workbench.settings.user import user_name
from workbench.tracking import RunRecord, connect

if TYPE_CHECKING:
    import pandas as pd

    from workbench.tracking import Run
    from workbench.tracking.tracker import Tracker

EXPERIMENT = "datasets"
"""The MLflow experiment that holds them."""
FILE = "examples.jsonl"
_NAME, _VERSION, _HASH = "workbench.dataset", "workbench.dataset_version", "workbench.dataset_hash"
_ORIGIN, _NOTE, _BY = "workbench.dataset_origin", "workbench.note", "workbench.saved_by"
_COLUMNS = ["name", "version", "examples", "hash", "saved_at", "saved_by", "origin", "note", "run_id"]


@dataclass(frozen=True)
class Snapshot:
    """A saved version."""

    name: str
    """Name of the dataset."""
    version: int
    """Its number, from 1."""
    hash: str
    """Hash of the content when it was saved."""
    origin: str
    """Where it came from."""
    run_id: str
    """MLflow's run that holds it."""
    rows: Sequence[Mapping[str, Any]]
    """The examples as JSON."""


def save(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    digest: str,
    origin: str,
    note: str,
    tracker: Tracker | None,
) -> int:
    """Keep a version and return its number; equal content has one number."""
    if not rows:
        raise InvalidInput(f"The dataset {name!r} is empty: there is nothing to save.")
    tracker = tracker or connect()
    with tracker.exclusive():
        before = _runs(tracker, name)
        for run in before:
            if run.tags[_HASH] == digest:
                return int(run.tags[_VERSION])
        version = 1 + max((int(run.tags[_VERSION]) for run in before), default=0)
        tags = {_NAME: name, _VERSION: str(version), _HASH: digest, _ORIGIN: origin, _NOTE: note}
        tags[_BY] = user_name("")
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        tracker.write_run(
            RunRecord(
                experiment=EXPERIMENT,
                name=f"{name} v{version}",
                metrics={"examples": float(len(rows))},
                tags={key: value for key, value in tags.items() if value},
                files={FILE: content.encode("utf-8", "surrogatepass")},
                key=f"{name}/{digest}",
            )
        )
        return version


def find(name: str, version: int | None, *, digest: str | None, tracker: Tracker | None) -> Snapshot:
    """Return a version with its rows; raises NotFound with those that there are."""
    tracker = tracker or connect()
    runs = _runs(tracker, name)
    chosen = [
        run for run in runs if version in (None, int(run.tags[_VERSION])) and run.tags[_HASH].startswith(digest or "")
    ]
    if not chosen:
        known = ", ".join(f"v{run.tags[_VERSION]}" for run in runs)
        wanted = "".join([f" v{version}" if version is not None else "", f" with hash {digest}" if digest else ""])
        hint = f"There are: {known}." if runs else "`Dataset.versions()` lists what was saved."
        raise NotFound(f"No dataset {name!r}{wanted} was saved.", hint=hint)
    numbers = [run.tags[_VERSION] for run in chosen]
    if version is not None and len(chosen) > 1:
        hashes = " and ".join(run.tags[_HASH][:12] for run in chosen)
        raise Conflict(
            f"Two datasets were saved at once as {name!r} v{numbers[0]}: {hashes}.", hint="Load it by `digest=`."
        )
    run = chosen[0]
    content = tracker.artifact(run.run_id, FILE).decode("utf-8", "surrogatepass")
    rows = [json.loads(line) for line in content.split("\n") if line]
    tags = run.tags
    return Snapshot(name, int(tags[_VERSION]), tags[_HASH], tags.get(_ORIGIN, ""), run.run_id, rows)


def check_intact(found: Snapshot, digest: str) -> None:
    """Raise IntegrityError if what was read is not what was saved."""
    if digest != found.hash:
        raise IntegrityError(
            f"The dataset {found.name!r} v{found.version} is no longer what was saved: its hash is {digest[:12]}..., "
            f"saved was {found.hash[:12]}...",
            hint=f"Somebody changed the file {FILE} of run {found.run_id[:8]} in MLflow.",
        )


def table(name: str | None, *, tracker: Tracker | None) -> pd.DataFrame:
    """Return what was saved, newest first."""
    import pandas as pd  # noqa: PLC0415 - loads when it is used

    rows = [
        (
            run.tags[_NAME],
            int(run.tags[_VERSION]),
            int(run.metrics.get("examples", 0)),
            run.tags[_HASH],
            run.started_at,
            run.tags.get(_BY, ""),
            run.tags.get(_ORIGIN, ""),
            run.tags.get(_NOTE, ""),
            run.run_id,
        )
        for run in _runs(tracker or connect(), name)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _runs(tracker: Tracker, name: str | None) -> list[Run]:
    """Return the runs of what was saved, newest first."""
    try:
        found = tracker.find_runs(EXPERIMENT, tags={_NAME: name} if name is not None else None)
    except NotFound:  # nothing was ever saved
        return []
    return [run for run in found if run.status == "FINISHED" and _VERSION in run.tags]
