"""A case: a promise, and how to find out whether it is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.client import Gateway
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import Failed

_ROW_SECONDS = 10.0


@dataclass(frozen=True)
class Case:
    """One promise."""

    name: str
    """A word or two, for the table."""
    task: str
    """The task of the models that it is for; `*` for all."""
    run: Callable[[Gateway, Subject], str]
    """Tries it and returns a remark; raises Failed, Skipped or a WorkbenchError, which is a failure too."""
    calls: int = 1
    """How many calls reach the provider."""


def row_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """Return the ledger's row of a call; raises Failed if there is none within some seconds."""
    end = time.monotonic() + _ROW_SECONDS
    while True:
        rows = gateway.calls(request_id)
        if rows:
            return rows[0]
        if time.monotonic() > end:
            raise Failed(f"the ledger has no row of call {request_id}")
        time.sleep(0.05)
