"""What an application gets as `name@alias`: the version that is live, or, of a rollout, the one for its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.gateway.published.record import Published, as_prompt
from workbench.gateway.published.rollouts import Rollouts
from workbench.wire.prompt_assignment import gets_candidate, unit_of


@dataclass(frozen=True, slots=True)
class Serving:
    """One answer."""

    body: dict[str, Any]
    """The prompt; `tags` go with calls that are made with it."""
    etag: str
    """Changes when, and only when, the prompt or its rollout does."""


def serve(published: Published, rollouts: Rollouts, reference: str, *, user: str | None) -> Serving:
    """Return what is served to a user, known by their hash; raises NotFound.

    Where nobody is named, it is the version that is live, and the rollout stands beside it with the candidate: who has
    that decides for each user as `wire.prompt_assignment` does.
    """
    seq = published.chain.head.seq  # first: records may come in meanwhile
    record, rollout = published.get(reference), rollouts.served(reference)
    if rollout is None:
        body = {**as_prompt(record), "tags": _tags(record, record["alias"]), "rollout": None, "seq": seq}
        return Serving(body, record["record_hash"])
    etag = f"{record['record_hash']}.{rollout.events[-1]['record_hash'][:16]}"
    arms = {"id": rollout.id, "weight": rollout.weight, "candidate_arm": rollout.candidate_arm}
    candidate = {**as_prompt(rollout.candidate), "alias": record["alias"]}
    if user is None:
        told = {"tags": _tags(record, record["alias"]), "rollout": {**arms, "candidate": candidate}, "seq": seq}
        body = {**as_prompt(record), **told}
        return Serving(body, etag)
    unit = unit_of(rollout.id, user)
    chosen = gets_candidate(unit, rollout.weight)
    arm = rollout.candidate_arm if chosen else rollout.alias
    told, version = (candidate, rollout.candidate) if chosen else (as_prompt(record), record)
    tags = {**_tags(version, record["alias"]), "rollout": rollout.id, "arm": arm, "rollout_user": unit}
    return Serving({**told, "tags": tags, "rollout": {**arms, "arm": arm}, "seq": seq}, f"{etag}.{unit}")


def _tags(record: dict[str, Any], alias: str) -> dict[str, str]:
    """Return what the ledger is to say of a version that is served under an alias, of a candidate not its own."""
    return {"prompt": record["name"], "prompt_version": str(record["version"]), "prompt_alias": alias}
