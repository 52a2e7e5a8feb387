"""Promote a version with evidence, roll back, tell what was live when, and let MLflow's alias follow.

The gateway's record is the authority for what is live: append-only and hash-chained. MLflow's alias follows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound, PromotionRefused, WorkbenchError
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.prompts.evidence import Evidence, gather
from workbench.prompts.form import read_form
from workbench.prompts.gate import Decision, Gate
from workbench.prompts.gates import Gates
from workbench.prompts.prompt import Prompt
from workbench.prompts.registry import alias_in_registry, difference_in_registry, intact

if TYPE_CHECKING:
    import pandas as pd

    from workbench.client import Gateway
    from workbench.tracking import PromptVersion
    from workbench.tracking.tracker import Tracker


@dataclass(frozen=True)
class Promotion:
    """What became live."""

    name: str
    """The prompt."""
    alias: str
    """The alias that it is live under."""
    version: int
    """The version that is live now."""
    previous_version: int | None
    """The version that was live before, or None."""
    reason: str
    """Why."""
    record: Mapping[str, Any]
    """The gateway's record."""
    decision: Decision | None = None
    """What the gate decided; None for a rollback."""
    alias_follows: bool = True
    """Whether MLflow's alias points to the version too."""
    note: str | None = None
    """What is left to be mended."""

    def __str__(self) -> str:
        before = f" (before: v{self.previous_version})" if self.previous_version else ""
        figures = f"; {self.decision.reason}" if self.decision else ""
        return f"{self.name}@{self.alias} is v{self.version}{before}{figures}" + (f". {self.note}" if self.note else "")


@dataclass(frozen=True)
class Sync:
    """How MLflow stands to what is live under an alias."""

    name: str
    """The prompt."""
    alias: str
    """The alias."""
    version: int
    """The version that is live."""
    moved: bool
    """Whether MLflow's alias was moved just now."""
    moved_from: int | None
    """The version that it pointed to before; None if to none."""
    problem: str | None
    """What can't be mended by moving the alias: a text that was changed, a version that was deleted."""


@dataclass(frozen=True)
class Weighed:
    """What a gate says of a version before anything is published."""

    candidate: PromptVersion
    """The version, as the registry holds it."""
    live: int | None
    """The version that is live now, or None."""
    evidence: Evidence
    """The runs that were compared."""
    gates: Gates
    """The rules."""
    decision: Decision
    """What they decided."""
    live_seq: int = 0
    """Number of the publication that is live, 0 for none."""

    @property
    def verdict(self) -> str:
        """The decision with the rules and the baseline, in one line."""
        baseline = self.evidence.baseline_label
        compared = f" against run {baseline}" if baseline else ""
        told = ", ".join(f"{rule.metric}, {rule.rule} at {rule.confidence:.0%}" for rule in self.gates.rules)
        return f"{self.decision.reason} ({told}{compared})"

    def told(self) -> dict[str, Any]:
        """Return what the record keeps of the decision."""
        return {
            "decision": self.decision.reason,
            "figures": dict(self.decision.figures),
            "gates": self.gates.as_dict(),
            "gates_hash": self.gates.hash,
            "live_version": self.live,
            "run_started_at": self.evidence.started_at,
            **self.evidence.as_dict(),
        }


def promote(
    name: str,
    version: int,
    *,
    evidence_run: str,
    gate: Gate | Gates,
    reason: str,
    alias: str = "production",
    against: str | None = None,
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> Promotion:
    """Publish a version under an alias if the gate lets it pass: asking, deciding and publishing in one.

    `evidence_run` is the MLflow run of an experiment in which this version answered. The gate pairs its scores by
    example with those of the run `against`; by default, with the newest run on the same data of the version that is
    live. Raises PromotionRefused with the figures; Conflict if the version is live already, or something else became
    live meanwhile; IntegrityError if its text was changed after it was registered; PermissionDenied where somebody else
    must approve: then `request` is the way.
    """
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    gates = Gates.of(gate)
    if not reason.strip():
        raise InvalidInput("A promotion needs a reason.", param="reason")
    if gates.preregistered:
        raise InvalidInput(
            "This gate demands to be registered before the run, which only a request can show.",
            hint="Register it with `workbench prompts register-gate`, run, then `workbench prompts request`.",
        )
    weighed = weigh(
        name,
        version,
        evidence_run=evidence_run,
        gate=gates,
        alias=alias,
        against=against,
        gateway=gateway,
        tracker=tracker,
    )
    candidate, live, decision = weighed.candidate, weighed.live, weighed.decision
    if not decision.passed:
        raise PromotionRefused(f"{name} v{version} was not promoted to {alias!r}: {weighed.verdict}.")
    rules = {"gate": gates.rules[0].as_dict()} if len(gates.rules) == 1 else {}
    record = gateway.publish(
        name,
        version,
        candidate.template,
        alias=alias,
        parameters=candidate.parameters,
        schema=candidate.schema,
        form=candidate.form,
        evidence={**rules, **weighed.told()},
        reason=reason,
        expects=weighed.live_seq,
    )
    return followed(tracker, Promotion(name, alias, version, live, reason, record, decision))


def weigh(
    name: str,
    version: int,
    *,
    evidence_run: str,
    gate: Gate | Gates,
    alias: str = "production",
    against: str | None = None,
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> Weighed:
    """Return what the gate says of a promotion, without promoting; arguments and errors are those of `promote`."""
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    gates = Gates.of(gate)
    if gates.prompt not in (None, name):
        raise InvalidInput(f"This gate is for {gates.prompt}, not for {name}.", param="gate")
    candidate = intact(tracker.get_prompt(name, version))
    records = publications(gateway, name, alias)
    live = int(records[0]["version"]) if records else None
    for record in records:
        if int(record["version"]) == version and record["hash"] != candidate.hash:
            raise IntegrityError(
                f"{name} v{version} was published before with another text (hash {record['hash'][:12]}...).",
                hint="Register the text that you want as a new version.",
            )
    if live == version:
        raise Conflict(f"{name} v{version} is live as {alias!r} already.")
    found = gather(tracker, name, version, run_id=evidence_run, against=against, live=live, gates=gates, alias=alias)
    return Weighed(candidate, live, found, gates, found.decide(gates), int(records[0]["seq"]) if records else 0)


def rollback(
    name: str,
    *,
    to: int | None = None,
    reason: str,
    alias: str = "production",
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> Promotion:
    """Make live again what was live under the alias before, or the version `to` of what was: no gate, no approval.

    What is published is what the gateway recorded then, not what the registry holds now, so MLflow need not answer
    for it. Raises NotFound for what was never live there, Conflict for what is live.
    """
    gateway = gateway or default_gateway()
    if not reason.strip():
        raise InvalidInput("A rollback needs a reason.", param="reason")
    record = gateway.promotion.rollback(name, alias, reason=reason, to=to)
    live = record["evidence"].get("live_version")
    return followed(tracker, Promotion(name, alias, int(record["version"]), live, reason, record))


def history(name: str, alias: str = "production", *, gateway: Gateway | None = None) -> pd.DataFrame:
    """Return all that was published under an alias, newest first, a row a record."""
    import pandas as pd  # noqa: PLC0415 - an application that loads prompts needs none

    columns = [
        "seq", "version", "published_at", "published_by", "requested_by", "approved_by", "reason", "evidence", "hash"
    ]  # fmt: skip
    records = publications(gateway or default_gateway(), name, alias)
    return pd.DataFrame([{key: record.get(key) for key in columns} for record in records], columns=columns)


def as_of(name: str, time: datetime | str, alias: str = "production", *, gateway: Gateway | None = None) -> Prompt:
    """Return what was live under an alias at a time.

    That is a datetime, a text such as `2026-11-22T09:00`, or `7d` for so long ago; without a zone it is UTC. Raises
    NotFound where nothing was live then.
    """
    text = time if isinstance(time, str) else time.replace(tzinfo=time.tzinfo or UTC).isoformat()
    live = (gateway or default_gateway()).promotion.as_of(name, alias, text)
    return Prompt(
        name, live.template, version=live.version, parameters=live.parameters, schema=live.schema,
        **read_form(live.form), alias=alias,
    )  # fmt: skip


def sync(
    name: str, alias: str = "production", *, gateway: Gateway | None = None, tracker: Tracker | None = None
) -> Sync:
    """Let MLflow's alias follow what is live, and compare MLflow's text with what was published."""
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    live = gateway.published(name, alias)
    problem = difference_in_registry(live, tracker)
    held = alias_in_registry(name, alias, tracker)
    moved = False
    if held != live.version:
        try:
            tracker.set_alias(name, alias, live.version)
            moved = True
        except WorkbenchError as error:
            problem = problem or error.message
    return Sync(name, alias, live.version, moved=moved, moved_from=held, problem=problem)


def followed(tracker: Tracker | None, promotion: Promotion) -> Promotion:
    """Let MLflow's alias follow a promotion, and return it with a note where it did not.

    It is live by then: that MLflow is not to be had undoes nothing.
    """
    try:
        (tracker or default_tracker()).set_alias(promotion.name, promotion.alias, promotion.version)
    except WorkbenchError as error:
        note = (
            f"It is live, but MLflow's alias did not follow ({error.message}): "
            f"mend it with `workbench prompts sync {promotion.name}`"
        )
        return replace(promotion, alias_follows=False, note=note)
    return promotion


def publications(gateway: Gateway, name: str, alias: str) -> list[dict[str, Any]]:
    """Return what was published under an alias, newest first; nothing where nothing was."""
    try:
        return gateway.history(name, alias)
    except NotFound:
        return []
