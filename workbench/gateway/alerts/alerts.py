"""The alerts of one gateway process: it looks, it keeps what was noticed, and one process of all delivers.

A receiver that takes an alert while this process dies may get it again, with the same `idempotency-key`; nothing else
is ever sent twice. Where the state database can't be written, alerts go out all the same and are noted later.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.errors import Unavailable
from workbench.gateway.alerts.book import AlertBook, Delivery, id_of
from workbench.gateway.alerts.checks import Condition, Costs, ErrorRates, states
from workbench.gateway.alerts.cost_book import CostBook
from workbench.gateway.alerts.post import NotDelivered, Post, pause
from workbench.gateway.leading import new_holder
from workbench.gateway.notices import Notice

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_log = logging.getLogger("workbench.gateway.alerts")

LOOK_SECONDS = 5.0
_FIRST_RETRY, _LONGEST_RETRY, _MOST_TRIES = 2.0, 300.0, 20
_MOST_WAITING = 1000


class Alerts:
    """Listens, looks and delivers."""

    def __init__(self, gateway: Parts, *, worker: int | None) -> None:
        """Serve a gateway; of several workers the first one looks."""
        self._gateway = gateway
        self._looks = worker in (None, 0)
        settings = gateway.settings.alerts
        self._but = frozenset(settings.but)
        self._destinations = tuple(settings.destinations)
        self._book = AlertBook(gateway.state)
        self._post = Post(settings.destinations, folder=gateway.settings.folder)
        self._rates = [ErrorRates(rule) for rule in settings.error_rate]
        self._costs = Costs(settings.cost, gateway.spool.path, CostBook(gateway.state))
        self._holder = new_holder()
        self._waiting: dict[str, Notice] = {}
        self._sent_unkept: dict[str, set[str]] = {}
        """Alerts that went out before they could be kept, and to whom."""
        self._open: set[str] | None = None
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Listen from now on; without a destination, notices only stand in the log."""
        self._gateway.notices.listen(self._heard)
        if self._destinations:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Keep what was heard, for the next process to deliver, and end."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            if self._looks:
                await self._look_at_costs()
            await self._keep()
            await asyncio.to_thread(self._book.give_back, self._holder)
        except Unavailable as error:
            _log.error("%d alerts were not kept: %s", len(self._waiting), error)
        await self._post.close()

    async def test(self) -> list[dict[str, Any]]:
        """Send a test to every destination now; return what became of it."""
        notice = Notice("test", f"test {secrets.token_hex(8)}", "This is a test of the gateway's alerts.")
        told = []
        for name in self._destinations:
            try:
                await self._post.carry(Delivery(id_of(notice), name, notice, time.time(), 0))
                told.append({"destination": name, "delivered": True, "error": None})
            except NotDelivered as error:
                told.append({"destination": name, "delivered": False, "error": error.message})
        return told

    async def latest(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest alerts, each with its deliveries."""
        return await asyncio.to_thread(self._book.latest, limit)

    def _heard(self, notice: Notice) -> None:
        self._gateway.metrics.count("notice", notice.kind)
        if not self._destinations:
            _log.warning("%s: %s", notice.kind, notice.text)
        elif notice.kind not in self._but and len(self._waiting) < _MOST_WAITING:
            self._waiting[notice.once] = notice
            self._something.set()

    async def _run(self) -> None:
        looked = 0.0
        while True:
            self._something.clear()
            try:
                if self._looks and time.monotonic() - looked >= LOOK_SECONDS:
                    looked = time.monotonic()
                    await self._look()
                await self._keep()
                await self._deliver()
            except Unavailable as error:
                _log.warning("alerts can't be kept, and are sent all the same: %s", error)
                await self._deliver_unkept()
            except Exception:  # noqa: BLE001 - the next look may go well
                _log.exception("alerts were not looked after")
            await pause(LOOK_SECONDS, unless=self._something)

    # -- look --------------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        totals = self._gateway.metrics.totals()
        conditions = [*states(totals), *(one for rates in self._rates for one in rates.look(totals))]
        for condition in conditions:
            await self._follow(condition)
        await self._look_at_costs()

    async def _look_at_costs(self) -> None:
        try:
            for notice in await asyncio.to_thread(self._costs.look):
                self._gateway.notices.tell(notice)
        except (sqlite3.Error, OSError) as error:
            _log.warning("what was spent can't be read: %s", error)

    async def _follow(self, condition: Condition) -> None:
        """Tell of a condition when it begins: once, though several processes see it and some are started again."""
        if self._open is None:
            self._open = await asyncio.to_thread(self._book.open_episodes)
        if condition.goes_on == (condition.subject in self._open):
            return
        (self._open.add if condition.goes_on else self._open.discard)(condition.subject)
        try:
            number = await asyncio.to_thread(self._book.episode, condition.subject, goes_on=condition.goes_on)
        except Unavailable:  # such as a full disk, which the ledger is on, too
            number = int(time.time()) if condition.goes_on else None
        if number is not None:
            once = f"{condition.subject} {number}"
            self._gateway.notices.tell(Notice(condition.kind, once, condition.text, condition.details))

    # -- keep and deliver --------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        for notice in list(self._waiting.values()):
            sent = self._sent_unkept.get(notice.once, ())
            await asyncio.to_thread(self._book.keep, notice, self._destinations, sent=sent)
            self._waiting.pop(notice.once, None)
            self._sent_unkept.pop(notice.once, None)

    async def _deliver(self) -> None:
        if not await asyncio.to_thread(self._book.take_lease, self._holder):
            return
        by_destination: dict[str, list[Delivery]] = {}
        for delivery in await asyncio.to_thread(self._book.due):
            by_destination.setdefault(delivery.destination, []).append(delivery)
        await asyncio.gather(*(self._carry_all(deliveries) for deliveries in by_destination.values()))

    async def _carry_all(self, deliveries: list[Delivery]) -> None:
        """Carry what is for one destination, in order; one that does not answer holds up nobody else."""
        for delivery in deliveries:
            if not await asyncio.to_thread(self._book.take_lease, self._holder):
                return
            try:
                await self._post.carry(delivery)
            except NotDelivered as error:
                again = _again_in(delivery, error)
                _log.warning("alert %s: %s%s", delivery.id, error, "" if again is not None else " It is given up.")
                await asyncio.to_thread(self._book.failed, delivery, str(error), again_in=again)
                return
            await asyncio.to_thread(self._book.sent, delivery)

    async def _deliver_unkept(self) -> None:
        for notice, name in self._unkept():
            try:
                await self._post.carry(Delivery(id_of(notice), name, notice, time.time(), 0))
            except NotDelivered as error:
                _log.warning("alert %s: %s", id_of(notice), error)
            else:
                self._sent_unkept.setdefault(notice.once, set()).add(name)

    def _unkept(self) -> Iterator[tuple[Notice, str]]:
        for notice in list(self._waiting.values()):
            for name in self._destinations:
                if name not in self._sent_unkept.get(notice.once, ()):
                    yield notice, name


def _again_in(delivery: Delivery, error: NotDelivered) -> float | None:
    if delivery.attempts + 1 >= _MOST_TRIES:
        return None
    wait: float = min(_LONGEST_RETRY, _FIRST_RETRY * 2.0**delivery.attempts)
    return max(error.retry_after or 0.0, wait)
