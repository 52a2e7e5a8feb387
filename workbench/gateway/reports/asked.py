"""What the gateway hands to the child that answers, and what comes back."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from workbench.gateway.reports.question import Question

Report = Literal["usage", "showback", "slo", "capacity"]


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment of reserved capacity."""

    deployment: str
    """Its label."""
    tokens_per_minute: int | None
    """How many tokens a minute are reserved."""
    usd_per_hour: float | None
    """What the reservation costs, used or not."""
    since: str | None = None
    """The day from which on it is paid; None: nobody says, so the ledger's first row counts."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A model whose calls a pool could take."""

    model: str
    """The model, as callers name it."""
    pool: str
    """Label of the reserved deployment."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a use case was promised."""

    latency_ms: float
    """A plain answer is there within."""
    first_token_ms: float
    """A stream begins within."""
    success: float
    """Least share of calls that are answered."""
    attainment: float
    """Least share of calls that are answered in time."""


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """The targets of all use cases."""

    default: Target
    """Of those without their own."""
    own: dict[str, Target] = {}
    """By name of the use case."""
    batch: tuple[str, ...] = ()
    """Use cases that nobody waits for."""


class Asked(msgspec.Struct, kw_only=True):
    """One question for the child."""

    report: Report
    spool: str
    """Path of the spool."""
    lake: str
    """Folder or fsspec URL."""
    question: Question
    targets: Targets | None = None
    pools: tuple[Pool, ...] = ()
    routes: tuple[Route, ...] = ()


class Told(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the child says."""

    answer: dict[str, Any] | None = None
    error: str | None = None
    hint: str | None = None
    code: str | None = None
