"""What a gauge asks of leases, where what it counts is used by other processes, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workbench.gateway.access.limits import Limits
    from workbench.gateway.admission.gauge import Gauge


class LeasedMoney(Protocol):
    """What of a budget this process may spend."""

    left: int
    """Leased and not held, in picodollars."""

    def reaches(self, more: int, *, rest: bool = False) -> bool:
        """Tell whether so much more can be held; raises LeaseShort where that is not known yet.

        With `rest`, all that there is of it will be held here.
        """

    def hold(self, more: int, *, need: int | None = None) -> None:
        """Hold more for a call; `need` tells how much to lease ahead, where it is not that."""

    def settle(self, held: int, spent: int) -> None:
        """Let go of what was held for a call; its row tells what was spent."""


class LeasedLimits(Protocol):
    """What of its limits this process may use."""

    def lack(self, limits: Limits, tokens: int) -> tuple[str, str, int] | None:
        """Tell which limit lacks for a call, how it is said and how many nanoseconds to wait; raises LeaseShort."""

    def enter(self, tokens: int) -> None:
        """Use what a call needs that begins; `lack` was asked at the same time."""

    def leave(self, expected: int, used: int) -> None:
        """Let a call end: the tokens it used take the place of those that were expected."""

    def seen(self, limit: str) -> int | None:
        """Return how much is left of a limit for all processes, as it was told last; None: nobody told yet."""


class Deposits(Protocol):
    """Who keeps money for what is paid later, as batches are: beyond the life of a call and of a process."""

    async def deposit(self, due_id: str, held: Mapping[Gauge, int]) -> bool:
        """Keep for a thing what a call holds; return False where it is paid or kept for already.

        Raises Unavailable.
        """

    async def withdraw(self, due_id: str, gauges: Collection[Gauge]) -> dict[Gauge, int]:
        """Lease to gauges what is kept for a thing that has ended; they hold it until it is charged.

        Returns which of them hold how much, in picodollars. Raises Unavailable.
        """


class Lessors(Protocol):
    """Who leases."""

    def attach(self, gauge: Gauge) -> None:
        """Lease to a gauge from now on."""

    def detach(self, gauge: Gauge) -> None:
        """Forget a gauge whose keys are all dead."""
