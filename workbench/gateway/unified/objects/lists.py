"""Lists of stored objects: the caller's own and nobody else's; those that may have changed are looked at again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.errors import InvalidInput, WorkbenchError
from workbench.gateway.dialects.openai_events import FreeReader
from workbench.gateway.providers.provider import Whole
from workbench.gateway.unified.objects.owner import owner_of
from workbench.gateway.unified.objects.signed_ids import unknown
from workbench.gateway.unified.question import Question

if TYPE_CHECKING:
    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.unified.objects.kinds import Kind
    from workbench.gateway.unified.objects.store import Stored

_USUAL, _MOST = 20, 100
_MOST_FILES = 10_000
_AT_ONCE = 8
_fields = msgspec.json.Decoder(dict[str, Any])


class Listing:
    """One list."""

    def __init__(self, gateway: Parts, key: Key, kind: Kind) -> None:
        self._gateway = gateway
        self._key = key
        self._kind = kind
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def body(self, query: Mapping[str, str]) -> bytes:
        """Return a page of it in OpenAI's shape."""
        store, owner = self._gateway.objects.store, owner_of(self._key)
        limit = _limit(query, most=_MOST_FILES if self._kind.name == "file" else _MOST)
        after = None
        if "after" in query:
            after = await asyncio.to_thread(store.get, query["after"][:1000], owner)
            if after is None:
                raise unknown(query["after"])
        purpose = query.get("purpose")
        looked_at = limit if purpose is None else _MOST_FILES  # an SDK reads no further behind an empty page
        page = await asyncio.to_thread(
            lambda: store.page(
                self._kind.name, owner, limit=looked_at + 1, after=after, oldest_first=query.get("order") == "asc"
            )
        )
        seen = await asyncio.gather(*(self._look(stored) for stored in page[:looked_at]))
        data = [one for one in seen if one and (purpose is None or one.get("purpose") == purpose)]
        more = len(page) > looked_at or len(data) > limit
        data = data[:limit]
        told = {"object": "list", "data": data, "has_more": more}
        if data:
            told |= {"first_id": data[0]["id"], "last_id": data[-1]["id"]}
        return msgspec.json.encode(told)

    async def _look(self, stored: Stored) -> dict[str, Any]:
        """Return an object as it is now; as it was seen last where its provider does not tell."""
        ends = self._kind.ends
        if stored.seen and (not ends or stored.seen.get("status") in ends):
            return stored.seen
        provider = self._gateway.providers.get(stored.provider)
        if provider is None or not self._key.scopes.allow_provider(stored.provider):
            return stored.seen
        question = Question(
            operation=f"{self._kind.path}/{stored.upstream_id}", model="", size=0, fields={}, forwarded={},
            reader=FreeReader, method="GET", free=True,
        )  # fmt: skip
        try:
            async with self._places:
                if not provider.ready:
                    await provider.prepare()
                answer = await provider.answer(question, "")
            assert isinstance(answer, Whole)
            told = _fields.decode(answer.body)
        except (WorkbenchError, msgspec.DecodeError, UnicodeDecodeError):
            return stored.seen
        return await self._gateway.objects.keep(self._kind, stored.provider, told, self._key, self._gateway)


def _limit(query: Mapping[str, str], *, most: int) -> int:
    text = query.get("limit")
    if text is None:
        return min(most, _USUAL if most == _MOST else most)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
    if not 1 <= number <= most:
        raise InvalidInput(f"limit is {text[:40]!r}; expected 1 to {most}.", param="limit")
    return number
