"""What was live, at a time and before something else; and the way back to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from workbench.errors import Conflict, InvalidInput, NotFound
from workbench.gateway.access.identity import Identity
from workbench.gateway.published.chain import Record
from workbench.gateway.published.record import Published
from workbench.gateway.published.request import CONTENT
from workbench.gateway.times import utc_now


class RollbackWish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of `POST /v1/prompts/{name}@{alias}/rollback`."""

    reason: str
    to: int | None = None
    """A version that was live before; None: the one before this."""
    seq: int | None = None
    """Number of the publication that is to end; Conflict where another is live. None: whichever is live."""


def as_of(published: Published, reference: str, time: str) -> Record:
    """Return what was live under `name@alias` at a time, as records write it; raises NotFound."""
    name, alias = published.split(reference)
    found = next((record for record in published.history(reference) if record["published_at"] <= time), None)
    if found is None:
        raise NotFound(f"Nothing was live as {name}@{alias} at {time}.", code="prompt_not_found")
    return found


def before(records: Sequence[Record]) -> Record | None:
    """Return what was live before the newest of some publications, newest first, and was not rolled back itself.

    After 1, 2, 3 and back to 2, that is 1.
    """
    by_seq = {record["seq"]: place for place, record in enumerate(records)}
    place = 0
    while isinstance(again := records[place]["evidence"].get("rollback_to"), int) and by_seq.get(again, 0) > place:
        place = by_seq[again]
    live = records[0]["hash"]
    return next((record for record in records[place + 1 :] if record["hash"] != live), None)


async def roll_back(published: Published, reference: str, wish: RollbackWish, by: Identity) -> Record:
    """Make live again what was live before: what the record holds, without asking anybody; return the new record.

    It was gated and approved when it was published. Raises NotFound, Conflict.
    """
    name, alias = published.split(reference)
    reason = wish.reason.strip()
    if not reason:
        raise InvalidInput("reason is empty.", hint="Say why.", param="reason")

    def make() -> Mapping[str, Any]:
        records = published.history(reference)
        live = records[0]
        if wish.seq is not None and wish.seq != live["seq"]:
            raise Conflict(
                f"v{live['version']} is live as {name}@{alias} since {live['published_at']}, not what you saw."
            )
        if wish.to == live["version"]:
            raise Conflict(f"{name} v{wish.to} is live as {alias!r} already.")
        then = before(records) if wish.to is None else next((r for r in records if r["version"] == wish.to), None)
        if then is None:
            known = ", ".join(f"v{number}" for number in dict.fromkeys(record["version"] for record in records))
            if wish.to is None:
                raise NotFound(f"Nothing else was live as {name}@{alias} before. There were: {known}.")
            raise NotFound(f"{name} v{wish.to} was never live as {alias!r}. There were: {known}.")
        return {
            "name": name,
            "alias": alias,
            **{field: then[field] for field in CONTENT if field in then},
            "evidence": {"rollback_to": then["seq"], "live_version": live["version"]},
            "reason": reason,
            "published_at": utc_now(),
            "published_by": by.name,
        }

    return await published.chain.append(make)
