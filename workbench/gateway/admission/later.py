"""Work that a call begins and that is billed when it has ended, as a batch: what it holds is kept until then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Later:
    """What admission must know of such work before it begins, and how that went."""

    most_usd: float | None
    """The most that it can cost, in US dollars; None: nobody knows."""
    unknown: str = ""
    """Why nobody knows."""
    hint: str = ""
    """What to do then."""
    lost: bool = field(default=False, init=False)
    """Whether it may have begun though no answer told of it, so that nothing will settle it."""
    keeping: Callable[[str], Awaitable[None]] | None = field(default=None, init=False)
    """Keeps for a thing of an id what the call holds, once something is held."""

    @property
    def lost_usd(self) -> float:
        """Return what is charged for work of which nobody will hear again, in US dollars."""
        return (self.most_usd or 0.0) if self.lost else 0.0

    async def keep_for(self, due_id: str) -> None:
        """Keep what is held until the thing that has begun is settled; nothing where no budget binds.

        Raises Unavailable.
        """
        if self.keeping is not None:
            await self.keeping(due_id)
