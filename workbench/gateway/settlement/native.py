"""Batches and jobs that begin on providers' own paths: what their answers tell is noted, so that they are settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from workbench.gateway.settlement.store import BATCH, JOB, MESSAGES, Due

if TYPE_CHECKING:
    from workbench.gateway.access.keys import Key
    from workbench.gateway.native.target import Target
    from workbench.gateway.settlement.store import SettlementStore

_KINDS: Mapping[str, str] = {
    "/messages/batches": MESSAGES,
    "/batches": BATCH,
    "/fine_tuning/jobs": JOB,
}
"""How the paths end on which work begins that is paid later; the first that fits counts."""


class _Begun(msgspec.Struct):
    id: str


_begun = msgspec.json.Decoder(_Begun)


def begins(method: str, path: str) -> bool:
    """Tell whether work begins on a path that is paid when it has ended."""
    return method == "POST" and path.endswith(tuple(_KINDS))


async def note_begun(store: SettlementStore, target: Target, key: Key, body: bytes) -> None:
    """Note what has begun; an answer that tells no id is none."""
    try:
        begun = _begun.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    kind = next(kind for end, kind in _KINDS.items() if target.path.endswith(end))
    query = target.without_key(None)
    due = Due(
        kind=kind,
        provider=target.provider,
        upstream_id=begun.id[:500],
        path=f"{target.raw}{f'?{query}' if query else ''}"[:500],
        key_id=key.id,
        account=key.account,
        owner=key.owner,
        use_case=key.use_case,
        created_at=time.time(),
    )
    await asyncio.to_thread(store.note, due)
