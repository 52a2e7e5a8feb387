"""`python -m workbench.gateway.audit`: what needs Parquet, or reads much, in a process of its own.

The gateway starts it; its answer is JSON lines on stdout, and an error one line of JSON on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from workbench.errors import NotFound, WorkbenchError
from workbench.gateway.audit.anchors import Anchors
from workbench.gateway.audit.lake import Lake
from workbench.gateway.audit.records import Records
from workbench.gateway.audit.replay import Wish, dataset
from workbench.gateway.audit.retention import delete_old, shortest
from workbench.gateway.audit.shipping import one_at_a_time, prune, ship
from workbench.gateway.state import State
from workbench.gateway.times import utc_text
from workbench.settings import Settings, load_settings
from workbench.wire.envelope import error_body

_DAY = 86400.0


def main(arguments: list[str] | None = None) -> int:
    """Run one task; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workbench.gateway.audit", description=__doc__)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--home", type=Path, required=True)
    tasks = parser.add_subparsers(dest="task", required=True)
    tasks.add_parser("ship")
    tasks.add_parser("show").add_argument("request_id")
    tasks.add_parser("dataset").add_argument("wish")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        settings = load_settings(given.config, home=given.home, credentials=False)
        if given.task == "ship":
            _print(_ship(settings))
        elif given.task == "show":
            _print(_show(settings, given.request_id))
        else:
            wish = msgspec.json.decode(given.wish, type=Wish)
            for example in dataset(_records(settings), settings.audit, wish):
                _print(example)
    except WorkbenchError as error:
        print(msgspec.json.encode({**error_body(error), "status": error.status}).decode(), file=sys.stderr)  # noqa: T201
        return 1
    except BrokenPipeError:
        os._exit(1)  # nobody reads any more
    return 0


def _ship(settings: Settings) -> dict[str, Any]:
    path = _spool(settings)
    lake = Lake(settings.lake_url)
    state = State(settings.database_url)
    state.open()
    try:
        with one_at_a_time(path):
            shipped = ship(path, lake)
            pruned = prune(path, before=utc_text(time.time() - shortest(settings.audit) * _DAY))
            deleted = delete_old(path, lake, settings.audit, Anchors(state))
    finally:
        state.close()
    return {
        **asdict(shipped), "pruned": pruned, "deleted_rows": deleted.rows, "deleted_bodies": deleted.bodies,
        "lake": lake.url,
    }  # fmt: skip


def _show(settings: Settings, request_id: str) -> dict[str, Any]:
    records = _records(settings)
    row = records.row(request_id)
    if row is None:
        raise NotFound(f"The ledger has no call {request_id!r}.")
    kept = records.bodies([row]).get(request_id)
    if kept is None:
        return {"call": row, "request": None, "response": None}
    return {"call": row, **kept.as_dict()}


def _records(settings: Settings) -> Records:
    return Records(_spool(settings), settings.lake_url)


def _spool(settings: Settings) -> Path:
    path = settings.home / "ledger" / "calls.db"
    if not path.exists():
        raise NotFound(f"There is no ledger at {path}.", hint="No gateway has run for this home yet.")
    return path


def _print(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # all is written; one that was done was seen to die by `terminate`, perhaps of Arrow's threads
