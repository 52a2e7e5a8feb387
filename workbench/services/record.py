"""What `workbench up` runs, told to `workbench status`: `up.json` below the home, readable by its owner only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from workbench.wire.key_file import write_private

_NAME = "up.json"


@dataclass(frozen=True)
class UpRecord:
    """One `workbench up` that runs."""

    pid: int
    """Its process id."""
    started: float
    """When the process began, in seconds since 1970: a process id alone may have been given to another one."""
    services: dict[str, str] = field(repr=False)
    """URLs by name, tokens included."""


def write_up_record(home: Path, services: Mapping[str, str]) -> None:
    """Tell what this process runs."""
    process = psutil.Process()
    record = UpRecord(pid=process.pid, started=process.create_time(), services=dict(services))
    write_private(home / _NAME, json.dumps(asdict(record)))


def read_up_record(home: Path) -> UpRecord | None:
    """Return what runs, or None if that `up` has ended."""
    try:
        record = UpRecord(**json.loads((home / _NAME).read_text("utf-8")))
        return record if psutil.Process(record.pid).create_time() == record.started else None
    except (OSError, ValueError, TypeError, psutil.Error):
        return None


def remove_up_record(home: Path) -> None:
    """Tell that this process runs nothing any more; another one's record stays."""
    record = read_up_record(home)
    if record is not None and record.pid == psutil.Process().pid:
        (home / _NAME).unlink(missing_ok=True)
