"""Promote a version with evidence, roll back, tell what was live when, and let MLflow's alias follow.

The gateway's record is the authority for what is live: append-only and hash-chained. MLflow's alias follows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound, PromotionRefused, WorkbenchError
from workbench.prompts.defaults import default_gateway, default_tracker
from workbench.prompts.evidence import Evidence, gather
from workbench.prompts.gate import Decision, Gate
from workbench.prompts.registry import difference_in_registry, intact
from workbench.wire.prompt_hash import prompt_hash

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
    gate: Gate
    """The rule."""
    decision: Decision
    """What it decided."""

    @property
    def verdict(self) -> str:
        """The decision with the rule and the baseline, in one line."""
        gate, baseline = self.gate, self.evidence.baseline_label
        compared = f" against run {baseline}" if baseline else ""
        return f"{self.decision.reason} ({gate.metric}, {gate.rule} at {gate.confidence:.0%}{compared})"


def promote(
    name: str,
    version: int,
    *,
    evidence_run: str,
    gate: Gate,
    reason: str,
    alias: str = "production",
    against: str | None = None,
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> Promotion:
    """Publish a version under an alias if the gate lets it pass.

    `evidence_run` is the MLflow run of an experiment in which this version answered. The gate pairs its scores by
    example with those of the run `against`; by default, with the newest run on the same data of the version that is
    live. Raises PromotionRefused with the figures; Conflict if the version is live already; IntegrityError if its text
    was changed after it was registered.
    """
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    if not reason.strip():
        raise InvalidInput("A promotion needs a reason.", param="reason")
    weighed = weigh(
        name,
        version,
        evidence_run=evidence_run,
        gate=gate,
        alias=alias,
        against=against,
        gateway=gateway,
        tracker=tracker,
    )
    candidate, live, found, decision = weighed.candidate, weighed.live, weighed.evidence, weighed.decision
    if not decision.passed:
        raise PromotionRefused(f"{name} v{version} was not promoted to {alias!r}: {weighed.verdict}.")
    record = gateway.publish(
        name,
        version,
        candidate.template,
        alias=alias,
        parameters=candidate.parameters,
        schema=candidate.schema,
        evidence={
            "gate": gate.as_dict(),
            "decision": decision.reason,
            "figures": dict(decision.figures),
            "live_version": live,
            **found.as_dict(),
        },
        reason=reason,
    )
    return _followed(tracker, Promotion(name, alias, version, live, reason, record, decision))


def weigh(
    name: str,
    version: int,
    *,
    evidence_run: str,
    gate: Gate,
    alias: str = "production",
    against: str | None = None,
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> Weighed:
    """Return what the gate says of a promotion, without promoting; arguments and errors are those of `promote`."""
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    candidate = intact(tracker.get_prompt(name, version))
    records = _records(gateway, name, alias)
    live = int(records[0]["version"]) if records else None
    for record in records:
        if int(record["version"]) == version and record["hash"] != candidate.hash:
            raise IntegrityError(
                f"{name} v{version} was published before with another text (hash {record['hash'][:12]}...).",
                hint="Register the text that you want as a new version.",
            )
    if live == version:
        raise Conflict(f"{name} v{version} is live as {alias!r} already.")
    found = gather(tracker, name, version, run_id=evidence_run, against=against, live=live, gate=gate, alias=alias)
    return Weighed(candidate, live, found, gate, gate.decide(found.cells, found.baseline_cells))


def rollback(
    name: str,
    *,
    to: int,
    reason: str,
    alias: str = "production",
    gateway: Gateway | None = None,
    tracker: Tracker | None = None,
) -> Promotion:
    """Publish a version again that was live under the alias before: a new record, no gate.

    What is published is what the gateway recorded then, not what the registry holds now.
    """
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    if not reason.strip():
        raise InvalidInput("A rollback needs a reason.", param="reason")
    records = _records(gateway, name, alias)
    then = next((record for record in records if int(record["version"]) == to), None)
    if then is None:
        known = ", ".join(f"v{number}" for number in dict.fromkeys(int(each["version"]) for each in records)) or "none"
        raise NotFound(f"{name} v{to} was never live as {alias!r}. There were: {known}.")
    live = int(records[0]["version"])
    if live == to:
        raise Conflict(f"{name} v{to} is live as {alias!r} already.")
    content = _content(then, tracker)
    record = gateway.publish(
        name, to, **content, alias=alias, evidence={"rollback_to": then["seq"], "live_version": live}, reason=reason
    )
    return _followed(tracker, Promotion(name, alias, to, live, reason, record))


def history(name: str, alias: str = "production", *, gateway: Gateway | None = None) -> pd.DataFrame:
    """Return all that was published under an alias, newest first, a row a record."""
    import pandas as pd  # noqa: PLC0415 - an application that loads prompts needs none

    columns = ["seq", "version", "published_at", "published_by", "reason", "evidence", "hash"]
    records = _records(gateway or default_gateway(), name, alias)
    return pd.DataFrame([{key: record.get(key) for key in columns} for record in records], columns=columns)


def sync(
    name: str, alias: str = "production", *, gateway: Gateway | None = None, tracker: Tracker | None = None
) -> Sync:
    """Let MLflow's alias follow what is live, and compare MLflow's text with what was published."""
    gateway, tracker = gateway or default_gateway(), tracker or default_tracker()
    live = gateway.published(name, alias)
    problem = difference_in_registry(live, tracker)
    held = tracker.aliases(name).get(alias)
    moved = False
    if held != live.version:
        try:
            tracker.set_alias(name, alias, live.version)
            moved = True
        except WorkbenchError as error:
            problem = problem or error.message
    return Sync(name, alias, live.version, moved=moved, moved_from=held, problem=problem)


def _followed(tracker: Tracker, promotion: Promotion) -> Promotion:
    try:
        tracker.set_alias(promotion.name, promotion.alias, promotion.version)
    except WorkbenchError as error:
        note = (
            f"It is live, but MLflow's alias did not follow ({error.message}): "
            f"mend it with `workbench prompts sync {promotion.name}`"
        )
        return replace(promotion, alias_follows=False, note=note)
    return promotion


def _records(gateway: Gateway, name: str, alias: str) -> list[dict[str, Any]]:
    try:
        return gateway.history(name, alias)
    except NotFound:
        return []


def _content(record: Mapping[str, Any], tracker: Tracker) -> dict[str, Any]:
    """Return what a record published; raises IntegrityError if it is not to be had unchanged."""
    if "template" in record:
        template, parameters, schema = record["template"], record.get("parameters"), record.get("schema")
    else:
        held = tracker.get_prompt(record["name"], int(record["version"]))
        template, parameters, schema = held.template, dict(held.parameters), held.schema
    if prompt_hash(template, parameters, schema) != record["hash"]:
        raise IntegrityError(f"{record['name']} v{record['version']} is no longer what was published then.")
    return {"template": template, "parameters": parameters, "schema": schema}
