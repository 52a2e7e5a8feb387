"""A rollout: a candidate that goes live step by step under the alias of the version that it may replace.

What is known of it are its records in the chain, each of which tells the whole state after it. A publication under the
alias, such as a rollback, ends it at once: a rollout counts only while the version that it began beside is live.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.published.chain import Record, kind_of
from workbench.wire.prompt_assignment import BUCKETS

ROLLOUT = "rollout"
"""The kind of its records."""
RULE = "rollout rule"
"""Who decided where nobody did: the name in the records."""
_LONGEST = 20
_LEAST_STEP = 100 / BUCKETS

State = Literal["running", "paused", "complete", "rolled back", "aborted"]
Event = Literal["start", "pause", "resume", "advance", "complete", "rollback", "abort"]
SERVED: frozenset[State] = frozenset({"running", "paused", "complete"})
"""States in which some get the candidate; a complete one until its publication stands, which is at once."""


class RolloutPlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """By what a rollout goes on or back; fixed when it starts."""

    steps: tuple[float, ...] = (10, 25, 50, 100)
    """Percent of the users that get the candidate, step by step; at 100 it is published."""
    rule: Literal["not_worse", "better", "guardrails"] = "not_worse"
    """What the outcomes must show for the next step: surely not worse by more than `margin`, surely better, or nothing
    but that the guardrails hold."""
    margin: float = 0.05
    """What counts as not worse, as a part of the range of outcomes."""
    bounds: tuple[float, float] = (0.0, 1.0)
    """Least and greatest value of an outcome; a value outside does not count."""
    min_n: int = 50
    """Users with an outcome on each side, of the candidate within a step, before the next; by `guardrails`, calls."""
    confidence: float = 0.95
    """How sure the tests are, however often they are looked at."""
    max_error_increase: float | None = 0.02
    """By how much the share of calls that fail may surely be higher; None: not looked at."""
    max_latency_ratio: float | None = 1.5
    """How many times the median latency of the other side may be reached; None: not looked at."""
    max_cost_ratio: float | None = 1.5
    """How many times the median cost of the other side may be reached; None: not looked at."""
    min_calls: int = 30
    """Calls on each side before latency and cost are looked at."""

    def check(self) -> None:
        """Raise InvalidInput for a plan that can't be followed."""
        steps = self.steps
        if not 2 <= len(steps) <= _LONGEST or steps[-1] != 100 or sorted({*steps}) != [*steps] or steps[0] <= 0:
            raise InvalidInput(
                "steps are no rising percentages that end at 100.", hint="[10, 25, 50, 100]", param="steps"
            )
        if steps[0] < _LEAST_STEP or steps[-2] > 100 - _LEAST_STEP:
            raise InvalidInput(
                "steps before the last lie from 0.01 to 99.99: users are told apart by hundredths of a percent.",
                hint="[10, 25, 50, 100]",
                param="steps",
            )
        if not self.bounds[0] < self.bounds[1]:
            raise InvalidInput("bounds are no least and greatest value.", hint="[0, 1]", param="bounds")
        if not 0.5 <= self.confidence < 1:
            raise InvalidInput("confidence is no share from 0.5 to below 1.", hint="0.95 is usual.", param="confidence")
        if not 0 <= self.margin < 1:
            raise InvalidInput("margin is no part of the range, from 0 to below 1.", hint="0.05", param="margin")
        for name in ("min_n", "min_calls"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} is below 1.", param=name)
        for name, least in (("max_error_increase", 0), ("max_latency_ratio", 1), ("max_cost_ratio", 1)):
            if (value := getattr(self, name)) is not None and value < least:
                raise InvalidInput(f"{name} is below {least}.", param=name)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One rollout as its last record leaves it."""

    id: str
    """Names it in the ledger's tags."""
    base: Record
    """The publication that is live under the alias, for whom the candidate is not."""
    candidate: Record
    """The publication of the candidate, under an alias of its own."""
    plan: RolloutPlan
    """By what it goes on."""
    weight: float
    """Percent of the users that get the candidate."""
    step: int
    """Place in the plan's steps, from 0."""
    state: State
    """How it stands."""
    events: tuple[Record, ...]
    """Its records, oldest first."""
    superseded: bool
    """Whether another version was published under the alias meanwhile, which ended it."""

    @property
    def name(self) -> str:
        """The prompt."""
        return str(self.base["name"])

    @property
    def alias(self) -> str:
        """The alias that it is about, which is also what the version that is live is called in the ledger."""
        return str(self.base["alias"])

    @property
    def candidate_arm(self) -> str:
        """What the candidate is called in the ledger: its own alias."""
        return str(self.candidate["alias"])

    @property
    def versions(self) -> dict[str, str]:
        """The version of each side, by what it is called in the ledger, as the ledger writes it."""
        return {str(each["alias"]): str(each["version"]) for each in (self.base, self.candidate)}

    @property
    def is_served(self) -> bool:
        """Whether some users get the candidate."""
        return self.state in SERVED and not self.superseded

    @property
    def is_open(self) -> bool:
        """Whether it goes on, or can."""
        return self.state in ("running", "paused") and not self.superseded

    @property
    def since(self) -> Record:
        """The record that began the step."""
        return next(each for each in reversed(self.events) if each["body"]["event"] in ("start", "advance"))

    def as_dict(self) -> dict[str, Any]:
        """Return what is told of it."""
        return {
            "id": self.id,
            "name": self.name,
            "alias": self.alias,
            "state": "superseded" if self.superseded and self.state in ("running", "paused") else self.state,
            "weight": self.weight if self.is_served else 0,
            "step": self.step,
            "arms": self.events[0]["body"]["arms"],
            "candidate": self.candidate_arm,
            "plan": msgspec.to_builtins(self.plan),
            "events": [
                {
                    "seq": each["seq"],
                    "at": each["at"],
                    "by": each["by"],
                    **{key: each["body"][key] for key in ("event", "state", "weight", "reason", "figures")},
                }
                for each in self.events
            ],
        }


def read_rollout(records: Sequence[Record], name: str, alias: str, *, live_seq: int) -> Rollout | None:
    """Return the latest rollout of an alias, None where there never was one; `live_seq` is the live publication."""
    told = [r for r in records if kind_of(r) == ROLLOUT and (r["name"], r["alias"]) == (name, alias)]
    if not told:
        return None
    last = told[-1]["body"]
    base, candidate = (records[last["arms"][arm]["seq"] - 1] for arm in (alias, last["candidate"]))
    return Rollout(
        id=last["rollout"],
        base=base,
        candidate=candidate,
        plan=_stored_plan(last["plan"]),
        weight=last["weight"],
        step=last["step"],
        state=last["state"],
        events=tuple(each for each in told if each["body"]["rollout"] == last["rollout"]),
        superseded=live_seq != base["seq"],
    )


def _stored_plan(told: Mapping[str, Any]) -> RolloutPlan:
    """Read a plan from a record; what only a newer gateway knows is left to that one."""
    known = {name: told[name] for name in RolloutPlan.__struct_fields__ if name in told}
    return msgspec.convert(known, RolloutPlan)
