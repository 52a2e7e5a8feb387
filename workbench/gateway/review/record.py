"""A use case as review keeps it: its state and what was decided, and each thing that happened to it."""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.gateway.access.identity import Identity
from workbench.gateway.review.grant import Grant
from workbench.gateway.review.projection import Projection
from workbench.gateway.review.rfc import Rfc
from workbench.gateway.review.states import Action, State
from workbench.gateway.times import utc_text


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody approved."""

    by: str
    """Who."""
    at: float
    """Seconds since the epoch."""
    why: str = ""
    """What they said."""
    self_approved_as_local_owner: bool = False
    """Whether it was the one local owner, on a use case of their own."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A use case."""

    rfc: Rfc
    """What is asked for."""
    owner: str
    """Who answers for it."""
    state: State
    """How far it is."""
    created_at: float
    """Seconds since the epoch."""
    created_by: str
    """Who drafted it."""
    updated_at: float
    """Seconds since the epoch."""
    revision: int = 1
    """Counts changes, and its events."""
    hands: list[str] = []
    """Everybody who wrote at the RFC or submitted it: they can't approve it."""
    risk_version: str | None = None
    """Version of the text on risks that was acknowledged at submission."""
    projection: Projection | None = None
    """What it will cost."""
    escalated_to: str | None = None
    """The group that decides."""
    approvals: list[Approval] = []
    """Who has approved what was submitted."""
    grant: Grant | None = None
    """What it is granted; in force once it is approved."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.rfc.name

    def as_dict(self) -> dict[str, Any]:
        """Return what may be told of it."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        rfc = told.pop("rfc")
        told["approvals"] = [{**each, "at": utc_text(each["at"])} for each in told["approvals"]]
        return {**rfc, **told, "created_at": utc_text(self.created_at), "updated_at": utc_text(self.updated_at)}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a use case; events are added and never changed."""

    number: int
    """From 1, in the order in which they happened."""
    action: str
    """What was done."""
    by: str
    """Who did it."""
    source: str
    """Who vouched for them."""
    at: float
    """Seconds since the epoch."""
    before: State | None
    """State before it."""
    after: State
    """State after it."""
    why: str = ""
    """What was said."""
    details: dict[str, Any] = {}
    """What was changed."""

    def as_dict(self) -> dict[str, Any]:
        """Return the event as it is told."""
        return {**msgspec.to_builtins(self), "at": utc_text(self.at)}


def follow(
    record: Record,
    *,
    action: Action,
    by: Identity,
    state: State,
    at: float,
    why: str = "",
    details: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[Record, Event]:
    """Return a record after an action, with the event that tells of it."""
    number = record.revision + 1
    after = msgspec.structs.replace(record, state=state, revision=number, updated_at=at, **changes)
    event = Event(
        number=number,
        action=action,
        by=by.name,
        source=by.source,
        at=at,
        before=record.state,
        after=state,
        why=why,
        details=details or {},
    )
    return after, event
