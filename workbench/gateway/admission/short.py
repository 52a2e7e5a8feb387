"""What a step raises that lacks a lease: the way of a call gets more, and takes the step again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Lessor(Protocol):
    """Who can lease more."""

    async def fetch(self) -> None:
        """Lease more, or find out that there is no more; raises Unavailable."""


class LeaseShort(Exception):
    """Too little of something is leased; nothing was counted."""

    def __init__(self, lessor: Lessor) -> None:
        super().__init__()
        self.lessor = lessor

    async def again(self, step: Callable[[], _T]) -> _T:
        """Lease more and take the step again, as often as it takes; raises Unavailable."""
        await self.lessor.fetch()
        return await with_leases(step)


async def with_leases(step: Callable[[], _T]) -> _T:
    """Take a step of a call, as often as it takes to lease what it needs; raises Unavailable."""
    while True:
        try:
            return step()
        except LeaseShort as short:
            await short.lessor.fetch()
