"""The rollouts of a gateway: start one, let it go on, stop it; each verb is a record in the chain."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from workbench.errors import Conflict, InvalidInput, PermissionDenied
from workbench.gateway.access.identity import Identity
from workbench.gateway.published.chain import Record
from workbench.gateway.published.record import Published
from workbench.gateway.published.request import CONTENT
from workbench.gateway.published.rollout import ROLLOUT, Event, Rollout, RolloutPlan, State, read_rollout
from workbench.gateway.times import utc_now

_AFTER: dict[Event, State] = {
    "pause": "paused",
    "resume": "running",
    "advance": "running",
    "complete": "complete",
    "rollback": "rolled back",
    "abort": "aborted",
}
_NO_FIGURES: Mapping[str, Any] = {}


class RolloutWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /v1/prompts/{name}@{alias}/rollout`."""

    reason: str
    candidate: str = "canary"
    """The alias that the candidate was published under."""
    plan: RolloutPlan = RolloutPlan()


class Rollouts:
    """What is rolled out, read out of the chain."""

    def __init__(self, published: Published, *, approvals: Callable[[str, str], int] = lambda _name, _alias: 0) -> None:
        """Roll out what is published; `approvals` tells how many must approve what goes live as a name and alias."""
        self._published = published
        self._approvals = approvals
        self._read: tuple[Sequence[Record], dict[tuple[str, str], Rollout | None]] = ((), {})

    def latest(self, reference: str) -> Rollout | None:
        """Return the latest rollout of `name@alias`; raises NotFound where nothing is live under it."""
        records = self._published.chain.records
        live = self._published.get(reference)
        key = (live["name"], live["alias"])
        known, kept = self._read
        if records is not known:
            kept = {}
            self._read = (records, kept)  # at once: who writes a record reads in a thread
        if key in kept:
            return kept[key]
        found = read_rollout(records, *key, live_seq=live["seq"])
        if records is self._published.chain.records:
            kept[key] = found
        return found

    def served(self, reference: str) -> Rollout | None:
        """Return the rollout by which some users get another version of `name@alias` now."""
        found = self.latest(reference)
        return found if found is not None and found.is_served else None

    def all_served(self) -> list[Rollout]:
        """Return those of all aliases, none while the record can't be read."""
        if self._published.fault is not None:
            return []
        keys = {(r["name"], r["alias"]) for r in self._published.of_kind(ROLLOUT)}
        found = (self.served(f"{name}@{alias}") for name, alias in sorted(keys))
        return [each for each in found if each is not None]

    async def start(self, reference: str, wish: RolloutWish, by: Identity) -> Rollout:
        """Begin to roll the version that is live as `name@{candidate}` out under `name@alias`.

        Raises Conflict where a rollout goes on already or both are one version, NotFound where one is not published,
        PermissionDenied where too few have approved the candidate.
        """
        name, alias = self._published.split(reference)
        self._published.split(f"{name}@{wish.candidate}")
        if wish.candidate == alias:
            raise InvalidInput(
                f"{alias!r} can't be its own candidate.", hint="Publish it as 'canary'.", param="candidate"
            )
        wish.plan.check()
        id_ = f"ro_{secrets.token_hex(6)}"

        def body() -> dict[str, Any]:
            base, candidate = (self._published.get(f"{name}@{each}") for each in (alias, wish.candidate))
            going = self.latest(reference)
            if going is not None and going.is_served:
                raise Conflict(
                    f"{name}@{alias} is rolled out already: {going.id} is {going.state} at {going.weight:g} %.",
                    hint="Let it end, or abort it.",
                )
            if base["hash"] == candidate["hash"]:
                raise Conflict(f"{name}@{wish.candidate} is the same as {name}@{alias}: v{base['version']}.")
            approved, needed = set(candidate.get("approved_by", ())), self._approvals(name, alias)
            if len(approved) < needed:
                raise PermissionDenied(
                    f"{name} v{candidate['version']} has {len(approved)} of the {needed} approvals that it takes to "
                    f"become live as {alias!r}.",
                    hint=f"Ask for it: `workbench prompts request {name} {candidate['version']} "
                    f"--alias {wish.candidate}`, and have it approved.",
                    code="needs_approval",
                )
            arms = {each["alias"]: {key: each[key] for key in ("version", "hash", "seq")} for each in (base, candidate)}
            fixed = {"arms": arms, "candidate": wish.candidate, "plan": msgspec.to_builtins(wish.plan)}
            first = {"event": "start", "state": "running", "weight": wish.plan.steps[0], "step": 0}
            return {"rollout": id_, **first, **fixed, "reason": _reason(wish.reason), "figures": {}}

        await self._published.append(ROLLOUT, name, body, by, alias=alias)
        return self._now(reference)

    async def steer(
        self,
        reference: str,
        event: Event,
        by: Identity,
        *,
        reason: str,
        figures: Mapping[str, Any] = _NO_FIGURES,
        seen: int | None = None,
    ) -> Rollout:
        """Take a rollout one event further; the last advance is its completion, which publishes the candidate.

        `seen` is the record that was decided on: Conflict is raised where another came after it, or where the event
        does not fit the state.
        """
        name, alias = self._published.split(reference)

        def body() -> dict[str, Any]:
            going = self.latest(reference)
            if going is None or not going.is_open:
                raise Conflict(f"{name}@{alias} is not being rolled out.", hint="`start` begins a rollout.")
            if seen is not None and going.events[-1]["seq"] != seen:
                raise Conflict(f"The rollout {going.id} went on meanwhile.")
            if event in ("pause", "resume") and going.state == _AFTER[event]:
                raise Conflict(f"The rollout {going.id} is {going.state} already.")
            what, step, state = event, going.step, _AFTER[event]
            if event == "advance":
                step += 1
                if going.plan.steps[step] == 100:
                    what, state = "complete", "complete"
                elif going.state == "paused":
                    state = "paused"
            weight = going.plan.steps[step] if state in ("running", "paused", "complete") else 0
            last = going.events[-1]["body"]
            changed = {"event": what, "state": state, "weight": weight, "step": step}
            return {**last, **changed, "reason": _reason(reason), "figures": dict(figures)}

        await self._published.append(ROLLOUT, name, body, by, alias=alias)
        found = self._now(reference)
        return await self.publish(found, by) if found.state == "complete" else found

    async def publish(self, rollout: Rollout, by: Identity) -> Rollout:
        """Make the candidate of a complete rollout what is live; one that was superseded meanwhile stays as it is."""
        reference = f"{rollout.name}@{rollout.alias}"

        def record() -> dict[str, Any]:
            going = self.latest(reference)
            if going is None or going.id != rollout.id or not going.is_served:
                raise Conflict(f"The rollout {rollout.id} has ended.")
            last = going.events[-1]
            evidence = {
                "rollout": going.id,
                "decision": last["body"]["reason"],
                "figures": last["body"]["figures"],
                "live_version": going.base["version"],
                "candidate_seq": going.candidate["seq"],
                "candidate_evidence": going.candidate["evidence"],
            }
            return {
                **{key: going.candidate[key] for key in ("name", *CONTENT) if key in going.candidate},
                "alias": going.alias,
                "evidence": evidence,
                "reason": f"rollout {going.id} is complete",
                "requested_by": going.events[0]["by"],
                "approved_by": going.candidate.get("approved_by", []),
                "published_by": by.name,
                "published_at": utc_now(),
            }

        await self._published.chain.append(record)
        return self._now(reference)

    def _now(self, reference: str) -> Rollout:
        found = self.latest(reference)
        assert found is not None
        return found


def _reason(text: str) -> str:
    if not text.strip():
        raise InvalidInput("reason is empty.", hint="Say why.", param="reason")
    return text.strip()
