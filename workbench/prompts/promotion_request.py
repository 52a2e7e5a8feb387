"""Ask for a promotion, bring evidence, decide, publish: the way for a prompt that somebody else must approve.

The request keeps the version and the gate; whoever brings evidence or approves computes the figures from MLflow's
tables, and the gateway checks that version, gate and people are those of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Conflict, IntegrityError, InvalidInput, PromotionRefused
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.prompts.gate import Gate
from workbench.prompts.gate_file import read_gates
from workbench.prompts.gates import Gates
from workbench.prompts.promotion import Promotion, Weighed, followed, weigh
from workbench.prompts.registry import intact

if TYPE_CHECKING:
    from workbench.client import Gateway
    from workbench.tracking.tracker import Tracker

AnyGate = Gate | Gates | Path | str
"""A rule, a gate of several, or the file that one stands in."""


@dataclass(frozen=True)
class PromotionRequest:
    """A request, as the gateway tells it."""

    id: int
    """Its number."""
    name: str
    """The prompt."""
    alias: str
    """The alias."""
    version: int
    """The version that is to become live."""
    hash: str
    """What the version is."""
    gates: Gates
    """What must hold."""
    reason: str
    """Why it is asked."""
    state: str
    """`asked`, `passed` or `refused` (by the gate), `approved`, `published`, `rejected`, `withdrawn`."""
    stale: bool
    """Whether something else became live since its evidence was brought."""
    asked_by: str
    """Who asked."""
    asked_at: str
    """When, UTC."""
    approvals_needed: int
    """How many others must approve."""
    approved_by: tuple[str, ...]
    """Who did."""
    evidence: Mapping[str, Any] | None
    """What the gate said last, and on what; None: nothing yet."""
    other_gates: tuple[Mapping[str, Any], ...]
    """Requests for the same version with other rules before this one: rules that were changed."""
    events: tuple[Mapping[str, Any], ...]
    """Everything that happened, oldest first: `action`, `by`, `at`, `text`."""
    told: Mapping[str, Any] = field(repr=False)
    """All that the gateway told, the version itself too."""

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> PromotionRequest:
        """Return what a gateway told of a request."""
        same = ("id", "name", "alias", "version", "hash", "reason", "state", "stale", "asked_by", "asked_at")
        return cls(
            **{key: told[key] for key in same},
            gates=Gates.from_dict(told["gates"]),
            approvals_needed=told["approvals_needed"],
            approved_by=tuple(told["approved_by"]),
            evidence=told["evidence"],
            other_gates=tuple(told["other_gates"]),
            events=tuple(told["events"]),
            told=told,
        )

    @property
    def next_step(self) -> str:
        """What is to be done now, in words."""
        missing = self.approvals_needed - len(set(self.approved_by))
        if self.state in ("published", "rejected", "withdrawn"):
            return "nothing"
        if self.stale:
            return "something else became live: hold it against that"
        if self.state in ("asked", "refused"):
            return "bring evidence that passes the gate"
        if missing > 0:
            return f"a reviewer must approve ({missing} missing)" if missing > 1 else "a reviewer must approve"
        return "publish it"

    def __str__(self) -> str:
        said = f"; {self.evidence['decision']}" if self.evidence else ""
        doubt = f"; asked before with other rules: {len(self.other_gates)} times" if self.other_gates else ""
        what = f"request {self.id}: {self.name} v{self.version} as {self.alias!r} is {self.state}"
        return f"{what}{said}{doubt}. Now: {self.next_step}."


def as_gates(gate: AnyGate) -> Gates:
    """Return the gate that is meant; raises InvalidInput for a file that holds none."""
    return read_gates(gate) if isinstance(gate, str | Path) else Gates.of(gate)


def register_gate(name: str, gate: AnyGate, *, reason: str = "", gateway: Gateway | None = None) -> dict[str, Any]:
    """Write a gate down for a prompt before the run, in the gateway's record; return the record (`at` says when)."""
    gates = as_gates(gate)
    _check_prompt(gates, name)
    return (gateway or default_gateway()).promotion.register_gate(name, gates.as_dict(), reason=reason)


def request(
    name: str,
    version: int,
    *,
    gate: AnyGate,
    reason: str,
    evidence_run: str | None = None,
    against: str | None = None,
    alias: str = "production",
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> PromotionRequest:
    """Ask that a version become live, under a gate that stays as it is from now on.

    With `evidence_run` the gate decides at once, and nothing is asked where it can't; without it the request registers
    the gate, and `bring_evidence` follows after the run. Raises Conflict where the same is live or asked for already,
    IntegrityError if the version's text was changed after it was registered.
    """
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    gates = as_gates(gate)
    _check_prompt(gates, name)
    candidate = intact(tracker.get_prompt(name, version))
    wish = {
        "version": version,
        "template": candidate.template,
        "parameters": dict(candidate.parameters),
        "schema": candidate.schema,
        **({"form": dict(candidate.form)} if candidate.form else {}),
        "gates": gates.as_dict(),
        "reason": reason,
    }
    if evidence_run is not None:
        weigh(
            name, version, evidence_run=evidence_run, gate=gates, alias=alias, against=against, gateway=gateway,
            tracker=tracker,
        )  # fmt: skip
    asked = PromotionRequest.read(gateway.promotion.request(name, alias, wish))
    if evidence_run is None:
        return asked
    return bring_evidence(asked.id, evidence_run=evidence_run, against=against, gateway=gateway, tracker=tracker)


def bring_evidence(
    number: int,
    *,
    evidence_run: str,
    against: str | None = None,
    gate: AnyGate | None = None,
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> PromotionRequest:
    """Let the request's gate decide on a run, and keep what it says, be it a refusal.

    `gate`, where it is given, must be the one that was asked with. Raises Conflict where it is not, or where something
    else became live meanwhile.
    """
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    asked = find_request(number, gateway=gateway)
    if gate is not None and (given := as_gates(gate)).hash != asked.gates.hash:
        raise Conflict(
            f"This is not the gate of request {number}: its hash is {given.hash[:12]}..., asked was with "
            f"{asked.gates.hash[:12]}...",
            hint="The rules stay as they were asked with. Ask anew to use others; that the rules were changed is kept.",
        )
    weighed = _weigh(asked, evidence_run=evidence_run, against=against, gateway=gateway, tracker=tracker)
    found = weighed.evidence
    evidence = {
        "passed": weighed.decision.passed,
        "decision": weighed.decision.reason,
        "figures": dict(weighed.decision.figures),
        "gates_hash": weighed.gates.hash,
        "hash": weighed.candidate.hash,
        "base": weighed.live_seq or None,
        "run_id": found.run.run_id,
        "run_started_at": found.started_at,
        "evidence": found.as_dict(),
    }
    return PromotionRequest.read(gateway.promotion.bring(number, evidence))


def approve(
    number: int, *, why: str = "", gateway: Gateway | None = None, tracker: Tracker | None = None
) -> PromotionRequest:
    """Approve a request after its figures were computed again from MLflow's tables.

    Raises PromotionRefused where they do not pass now, IntegrityError where the data are others, PermissionDenied for
    who asked.
    """
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    asked = find_request(number, gateway=gateway)
    if asked.evidence is None:
        raise Conflict(f"Request {number} has no evidence yet.", hint="Who asked must bring it.")
    told = asked.evidence["evidence"]
    weighed = _weigh(
        asked, evidence_run=asked.evidence["run_id"], against=told.get("baseline_run_id"), gateway=gateway,
        tracker=tracker,
    )  # fmt: skip
    again = weighed.evidence.as_dict()
    if changed := [key for key in ("dataset_hash", "model", "baseline_run_id") if again.get(key) != told.get(key)]:
        raise IntegrityError(f"The runs of request {number} are no longer what they were: {', '.join(changed)} differ.")
    if not weighed.decision.passed:
        raise PromotionRefused(f"Computed again, request {number} does not pass its gate: {weighed.verdict}.")
    recomputed = {"passed": True, "decision": weighed.decision.reason, "figures": dict(weighed.decision.figures)}
    seen = int(asked.evidence["seq"])
    return PromotionRequest.read(gateway.promotion.approve(number, seen=seen, why=why, recomputed=recomputed))


def reject(number: int, why: str, *, gateway: Gateway | None = None) -> PromotionRequest:
    """Reject a request, for good."""
    return PromotionRequest.read((gateway or default_gateway()).promotion.say(number, "reject", why))


def withdraw(number: int, why: str = "", *, gateway: Gateway | None = None) -> PromotionRequest:
    """Take a request of one's own back."""
    return PromotionRequest.read((gateway or default_gateway()).promotion.say(number, "withdraw", why))


def comment(number: int, text: str, *, gateway: Gateway | None = None) -> PromotionRequest:
    """Say something about a request."""
    return PromotionRequest.read((gateway or default_gateway()).promotion.say(number, "comments", text))


def publish(number: int, *, gateway: Gateway | None = None, tracker: Tracker | None = None) -> Promotion:
    """Make live what a request asks for, once its gate and those who must have let it pass."""
    gateway = gateway or default_gateway()
    record = gateway.promotion.publish(number)
    done = Promotion(
        record["name"], record["alias"], record["version"], record["evidence"]["live_version"], record["reason"], record
    )
    return followed(tracker, done)


def find_request(number: int, *, gateway: Gateway | None = None) -> PromotionRequest:
    """Return a request; raises NotFound."""
    return PromotionRequest.read((gateway or default_gateway()).promotion.show(number))


def approvals_needed(name: str, alias: str = "production", *, gateway: Gateway | None = None) -> int:
    """Return how many others must approve what becomes live under an alias; 0: `promote` does it in one."""
    return (gateway or default_gateway()).promotion.approvals_needed(name, alias)


def requests(
    name: str | None = None, *, state: str | None = None, gateway: Gateway | None = None
) -> list[PromotionRequest]:
    """Return the requests, newest first: those of a prompt, or in a state, where it is named."""
    rows = (gateway or default_gateway()).promotion.requests(name=name, state=state)
    return [PromotionRequest.read(row) for row in rows]


def _weigh(
    asked: PromotionRequest, *, evidence_run: str, against: str | None, gateway: Gateway, tracker: Tracker
) -> Weighed:
    weighed = weigh(
        asked.name, asked.version, evidence_run=evidence_run, gate=asked.gates, alias=asked.alias, against=against,
        gateway=gateway, tracker=tracker,
    )  # fmt: skip
    if weighed.candidate.hash != asked.hash:
        raise IntegrityError(
            f"{asked.name} v{asked.version} is no longer what request {asked.id} asks for: its hash is "
            f"{weighed.candidate.hash[:12]}..., asked was for {asked.hash[:12]}..."
        )
    return weighed


def _check_prompt(gates: Gates, name: str) -> None:
    if gates.prompt not in (None, name):
        raise InvalidInput(f"This gate is for {gates.prompt}, not for {name}.", param="gate")
