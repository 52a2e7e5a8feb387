"""The desk for stored objects of a gateway: ids are sealed and opened here, and what was seen of each is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput, WorkbenchError
from workbench.gateway.admission.deposits import AWAITED
from workbench.gateway.routing.registry import Registration
from workbench.gateway.settlement.store import Due, SettlementStore
from workbench.gateway.unified.objects.kinds import BATCH, FILE, JOB, Kind, renamed
from workbench.gateway.unified.objects.owner import audience_of, owner_of
from workbench.gateway.unified.objects.repeats import Repeats
from workbench.gateway.unified.objects.signed_ids import Place, SignedIds
from workbench.gateway.unified.objects.store import ObjectStore, Stored

if TYPE_CHECKING:
    from workbench.gateway.access.keys import Key
    from workbench.gateway.admission.later import Later
    from workbench.gateway.parts import Parts
    from workbench.gateway.state import State


class Objects:
    """What callers have left at providers."""

    def __init__(self, state: State) -> None:
        self.store = ObjectStore(state)
        self.repeats = Repeats(state)
        self.settlements = SettlementStore(state)
        self.ids = SignedIds(b"")

    def open(self) -> None:
        """Read the secret of the ids; blocks."""
        self.ids = SignedIds(self.store.secret())
        self.store.prune()

    def opening(self, key: Key) -> Opening:
        """Return what opens the ids of one request of a key."""
        return Opening(self.ids, owner_of(key))

    def told(self, value: Any, provider: str, key: Key) -> Any:
        """Return a provider's answer with the ids that its owner is to see."""
        owner = owner_of(key)

        def sealed(kind: Kind, upstream: str) -> str:
            return self.ids.sealed(Place(provider, upstream), prefix=kind.prefix, owner=owner)

        return renamed(value, sealed, objects=True)

    async def keep(
        self,
        kind: Kind,
        provider: str,
        answer: dict[str, Any],
        key: Key,
        gateway: Parts,
        *,
        is_new: bool = False,
        most_usd: float | None = None,
        later: Later | None = None,
    ) -> dict[str, Any]:
        """Keep an object as a provider tells of it now, and return it as its owner sees it.

        `is_new` is one that was uploaded just now, `most_usd` what a batch of it can cost, `later` the work that has
        begun.
        """
        seen: dict[str, Any] = self.told(answer, provider, key)
        now = time.time()
        kept = [Stored(seen["id"], kind.name, owner_of(key), provider, str(answer["id"]), now, seen, most_usd)]
        for upstream in _made_files(answer):
            file_id = self.ids.sealed(Place(provider, upstream), prefix=FILE.prefix, owner=owner_of(key))
            if await asyncio.to_thread(self.store.get, file_id, owner_of(key)) is None:
                kept.append(Stored(file_id, FILE.name, owner_of(key), provider, upstream, now, {}))
        for one in kept:
            await asyncio.to_thread(self.store.keep, one, is_new=is_new)
        if kind in (BATCH, JOB):
            due = Due(
                kind=kind.name, provider=provider, upstream_id=str(answer["id"]), key_id=key.id,
                account=key.account, owner=key.owner, use_case=key.use_case, created_at=now,
                paying=AWAITED if later is not None and later.keeping is not None and later.most_usd else None,
            )  # fmt: skip
            await asyncio.to_thread(self.settlements.note, due)
            if later is not None:
                await later.keep_for(due.id)
        if kind is JOB:
            await _register(answer, provider, key, gateway)
        return seen


class Opening:
    """Opens the ids of one request; all that it names must be at one provider."""

    def __init__(self, ids: SignedIds, owner: str) -> None:
        self.provider: str | None = None
        """Where they are, once one was opened."""
        self._ids = ids
        self._owner = owner

    def __call__(self, kind: Kind, presented: str) -> str:
        """Return the provider's own id; raises NotFound for one that is not the caller's."""
        place = self._ids.opened(presented, prefix=kind.prefix, owner=self._owner)
        if self.provider not in (None, place.provider):
            raise InvalidInput(
                f"{presented[:80]!r} is kept at {place.provider!r}, other things that are named at {self.provider!r}.",
                hint="Name objects of one provider.",
                param="file_id",
            )
        self.provider = place.provider
        return place.id


def _made_files(answer: dict[str, Any]) -> Iterator[str]:
    """Yield the provider's ids of files that a batch or a job has made."""
    for name in ("output_file_id", "error_file_id", "result_files"):
        value = answer.get(name)
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str) and one)


async def _register(answer: dict[str, Any], provider: str, key: Key, gateway: Parts) -> None:
    """Let the model of a finished job be called by those who made it."""
    name = answer.get("fine_tuned_model")
    if answer.get("status") != "succeeded" or not isinstance(name, str) or not name:
        return
    if any(model.name == name for model in gateway.models):
        return
    audience = audience_of(key)
    registration = Registration(
        name=name,
        provider=provider,
        model=name,
        owner=audience.owner,
        use_case=audience.use_case,
        facts={"fine_tuned_from": answer.get("model")},
    )
    try:
        await gateway.registry.add(registration, lambda: gateway.upstream, by=key.owner)
    except WorkbenchError:
        return  # another process was the first, or its name is no model's: the job is told all the same
