"""A request to make a version live, as it can be read out of the chain: each thing that happened to it is a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from workbench.errors import Conflict
from workbench.gateway.published.chain import PUBLISH, Record, kind_of

REQUEST, EVIDENCE, COMMENT, APPROVE, REJECT, WITHDRAW = (
    "request", "evidence", "comment", "approve", "reject", "withdraw"
)  # fmt: skip
GATE = "gate"
"""The kind of a record that registers a gate before there is a request."""
STEPS = (REQUEST, EVIDENCE, COMMENT, APPROVE, REJECT, WITHDRAW, PUBLISH)
CONTENT = ("version", "template", "parameters", "schema", "form", "hash")
"""What a version is, in a request's body and in a publication."""

State = Literal["asked", "passed", "refused", "approved", "published", "rejected", "withdrawn"]
STATES: tuple[State, ...] = get_args(State)
_ENDED: dict[str, State] = {PUBLISH: "published", REJECT: "rejected", WITHDRAW: "withdrawn"}


@dataclass
class Request:
    """One request."""

    first: Record
    """The record that asked."""
    events: list[Record] = field(default_factory=list)
    """Everything that happened since, oldest first."""
    evidence: Record | None = None
    """What the gate said last, and on what."""
    approvals: list[Record] = field(default_factory=list)
    """Approvals of that evidence."""
    ended: State | None = None
    """How it ended; None: it is open."""

    @property
    def id(self) -> int:
        """Number of the record that asked."""
        return int(self.first["seq"])

    @property
    def name(self) -> str:
        """The prompt."""
        return str(self.first["name"])

    @property
    def alias(self) -> str:
        """The alias."""
        return str(self.first["alias"])

    @property
    def body(self) -> Mapping[str, Any]:
        """What is asked for: the version itself, the gate, and why."""
        told: Mapping[str, Any] = self.first["body"]
        return told

    @property
    def base(self) -> int | None:
        """Number of the publication that the evidence, or else the request, was held against; None: of nothing."""
        found = (self.evidence or self.first)["body"]["base"]
        return None if found is None else int(found)

    @property
    def hands(self) -> frozenset[str]:
        """Everybody who asked or brought evidence: they can't approve."""
        return frozenset(each["by"] for each in (self.first, *self.events) if each.get("kind") in (REQUEST, EVIDENCE))

    def state(self, needed: int) -> State:
        """Return how far it is where so many must approve."""
        if self.ended is not None:
            return self.ended
        if self.evidence is None:
            return "asked"
        if not self.evidence["body"]["passed"]:
            return "refused"
        return "approved" if len({each["by"] for each in self.approvals}) >= max(needed, 1) else "passed"

    def check_open(self) -> None:
        """Raise Conflict where it has ended."""
        if self.ended is not None:
            raise Conflict(
                f"Request {self.id} for {self.name}@{self.alias} is {self.ended}: nothing can be done to it.",
                hint="Ask anew.",
                code="wrong_state",
            )

    def check_base(self, live: Mapping[str, Any] | None) -> None:
        """Raise Conflict where something else became live since the evidence was brought."""
        if self.base != (live["seq"] if live else None):
            now = f"v{live['version']} is live since {live['published_at']}" if live else "nothing is live"
            raise Conflict(
                f"Request {self.id} is stale: {now}, and its evidence was held against something else.",
                hint=f"Hold it against what is live: `workbench prompts gate {self.id} --evidence RUN`.",
                code="stale_request",
            )


def read_requests(records: Iterable[Record]) -> dict[int, Request]:
    """Return all requests by their number."""
    found: dict[int, Request] = {}
    for record in records:
        kind = kind_of(record)
        if kind == REQUEST:
            found[record["seq"]] = Request(record)
            continue
        number = record.get("request") if kind == PUBLISH else record["body"].get("request") if kind in STEPS else None
        request = found.get(number) if number is not None else None
        if request is None:
            continue
        request.events.append(record)
        if kind == EVIDENCE:
            request.evidence, request.approvals = record, []
        elif kind == APPROVE:
            request.approvals.append(record)
        elif kind in _ENDED:
            request.ended = _ENDED[kind]
    return found
