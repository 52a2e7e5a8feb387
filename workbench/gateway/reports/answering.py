"""Which report answers which question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.gateway.reports.asked import Asked
from workbench.gateway.reports.attainment import attainment
from workbench.gateway.reports.capacity import capacity
from workbench.gateway.reports.history import opened
from workbench.gateway.reports.showback import showback
from workbench.gateway.reports.usage import usage


def answer(asked: Asked) -> dict[str, Any]:
    """Return what one report tells; raises MissingComponent. Blocks, and takes memory: it has a process of its own."""
    question = asked.question
    with opened(Path(asked.spool), asked.lake, since=question.since, until=question.until) as connection:
        if asked.report == "showback":
            return showback(connection, question, asked.pools)
        if asked.report == "slo":
            return attainment(connection, question, asked.targets)
        if asked.report == "capacity":
            return capacity(connection, question, asked.pools, asked.routes)
        return usage(connection, question)
