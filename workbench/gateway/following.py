"""What other workers and replicas change in the state database, taken over here: keys, prompts, models, a reload.

Whoever writes counts up the number of its topic in the same transaction; everybody else looks at the numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from workbench.errors import Unavailable
from workbench.gateway.access.keys import REMEMBERED_SECONDS, REPLACED_SECONDS
from workbench.gateway.admission.admission import is_held
from workbench.gateway.state import BUDGETS, CONFIGURATION, KEYS, MODELS, PROMPTS, USE_CASES

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_log = logging.getLogger("workbench.gateway.following")

LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 0.05
_MARGIN_SECONDS = REPLACED_SECONDS
"""How far the clocks of two gateways may be apart, so that one hears of keys that soon end at the other."""


class Follower:
    """Follows the others; one process that is alone has nobody to follow."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._seen: dict[str, int] = {}
        self._keys_read = 0.0
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._looked = 0.0
        self._take: dict[str, Callable[[], Awaitable[None]]] = {
            USE_CASES: self._use_cases,  # before keys: what a key is held to comes first
            BUDGETS: gateway.raises.catch_up,
            KEYS: self._keys,
            PROMPTS: gateway.published.catch_up,
            MODELS: self._models,
            CONFIGURATION: gateway.reloader.reload_and_log,
        }

    def begin(self) -> None:
        """Note where the numbers stand, before what they count is read. Blocks."""
        self._seen = self._gateway.state.changes()

    def follow(self) -> None:
        """Follow from now on."""
        self._task = asyncio.create_task(self._follow())

    async def tell(self, topic: str) -> None:
        """Let the others know of a change that no transaction tells of."""
        self._seen[topic] = await asyncio.to_thread(self._gateway.state.tell, topic)

    async def close(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Take over the keys that others have issued by now, and what holds them; raises Unavailable without a word.

        For a key that is not known here: it may be seconds old. Those who wait share one look, and looks keep a pause.
        """
        if self._task is None:
            return
        arrived = time.monotonic()
        async with self._looking:
            if self._looked < arrived:
                await asyncio.sleep(max(0.0, self._looked + _PAUSE_SECONDS - arrived))
                began = time.monotonic()
                for topic, number in await self._news((USE_CASES, BUDGETS, KEYS)):
                    await self._take_over(topic, number)
                self._looked = began

    async def _news(self, topics: Iterable[str]) -> list[tuple[str, int]]:
        changes = await asyncio.to_thread(self._gateway.state.changes)
        numbers = ((topic, changes.get(topic, 0)) for topic in topics)
        return [(topic, number) for topic, number in numbers if number != self._seen.get(topic, 0)]

    async def _take_over(self, topic: str, number: int) -> None:
        await self._take[topic]()
        self._seen[topic] = number

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with self._looking:
                with _logged("what others change"):
                    for topic, number in await self._news(self._take):
                        with _logged(f"what others change of {topic}"):
                            await self._take_over(topic, number)

    async def _keys(self) -> None:
        gateway = self._gateway
        now = time.time()
        stored = await asyncio.to_thread(
            gateway.key_store.load,
            dead_since=now - REMEMBERED_SECONDS,
            expired_since=min(now, self._keys_read) - _MARGIN_SECONDS,
        )
        changed = [key for key in stored if gateway.keys.get(key.id) != key]
        if any(key.use_case and gateway.use_cases.get(key.use_case) is None for key in changed):
            await gateway.review.catch_up()  # it was approved since the last look
        held = {key.account for key in changed if is_held(key) and not gateway.admission.counts(key.account)}
        spent = await asyncio.to_thread(gateway.reports.spent, "key", held) if held else {}
        for key in changed:
            known = gateway.keys.get(key.id)
            if known is not None and known.revoked_at is not None and key.revoked_at is None:
                continue  # revoked here, and not yet written
            gateway.keys.put(key)
            gateway.admission.hold_to(key, spent=spent.get(key.account))
            if key.revoked_at is not None:
                gateway.in_flight.end_key(key)
        self._keys_read = now

    async def _use_cases(self) -> None:
        await self._gateway.review.catch_up()
        await self._keys()  # those of a use case that was retired are dead

    async def _models(self) -> None:
        await self._gateway.registry.catch_up(lambda: self._gateway.upstream)


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    """Let what follows go on where this fails: the next look may go well."""
    try:
        yield
    except Unavailable as error:
        _log.warning("%s can't be seen: %s", what, error)
    except Exception:  # noqa: BLE001 - as above
        _log.exception("%s was not taken over", what)
