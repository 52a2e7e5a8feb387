"""Batches and jobs that begin on providers' own paths: what their answers tell is noted, so that they are settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from workbench.gateway.settlement.google import place_of
from workbench.gateway.settlement.store import BATCH, GOOGLE_BATCH, JOB, MESSAGES, VERTEX_BATCH, VERTEX_JOB, Due

if TYPE_CHECKING:
    from workbench.gateway.access.keys import Key
    from workbench.gateway.native.target import Target
    from workbench.gateway.settlement.store import SettlementStore

_KINDS: Mapping[str, str] = {
    "/messages/batches": MESSAGES,
    "/batches": BATCH,
    "/fine_tuning/jobs": JOB,
    ":batchGenerateContent": GOOGLE_BATCH,
    ":asyncBatchEmbedContent": GOOGLE_BATCH,
    "/batchPredictionJobs": VERTEX_BATCH,
    "/tuningJobs": VERTEX_JOB,
}
"""How the paths end on which work begins that is paid later; the first that fits counts."""


_BY_NAME = frozenset({GOOGLE_BATCH, VERTEX_BATCH, VERTEX_JOB})
"""Kinds whose answers tell a whole name, below which the id stands."""


class _Begun(msgspec.Struct):
    id: str = ""
    name: str = ""


_begun = msgspec.json.Decoder(_Begun)


def begins(method: str, path: str) -> bool:
    """Tell whether work begins on a path that is paid when it has ended."""
    return method == "POST" and path.endswith(tuple(_KINDS))


async def note_begun(store: SettlementStore, target: Target, key: Key, body: bytes) -> None:
    """Note what has begun; an answer that tells no id is none."""
    kind = next(kind for end, kind in _KINDS.items() if target.path.endswith(end))
    place = _place(kind, target, body)
    if place is None:
        return
    path, upstream_id = place
    query = target.without_key(None)
    due = Due(
        kind=kind,
        provider=target.provider,
        upstream_id=upstream_id[:500],
        path=f"{path}{f'?{query}' if query else ''}"[:500],
        key_id=key.id,
        account=key.account,
        owner=key.owner,
        use_case=key.use_case,
        created_at=time.time(),
    )
    await asyncio.to_thread(store.note, due)


def _place(kind: str, target: Target, body: bytes) -> tuple[str, str] | None:
    """Return the path below which a thing that has begun is asked for, and its id there."""
    try:
        begun = _begun.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if kind not in _BY_NAME:
        return (target.raw, begun.id) if begun.id else None
    named = place_of(begun.name)
    version = target.raw.split("/")[1]
    return None if named is None else (f"/{version}/{named[0]}", named[1])
