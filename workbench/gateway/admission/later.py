"""Work that a call begins and that is billed when it has ended, as a batch: what it holds is kept until then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Later:
    """What admission must know of such work before it begins."""

    most_usd: float | None
    """The most that it can cost, in US dollars; None: nobody knows."""
    unknown: str = ""
    """Why nobody knows."""
    hint: str = ""
    """What to do then."""
    keeping: Callable[[str], Awaitable[None]] | None = field(default=None, init=False)
    """Keeps for a thing of an id what the call holds, once something is held."""

    async def keep_for(self, due_id: str) -> None:
        """Keep what is held until the thing that has begun is settled; nothing where no budget binds.

        Raises Unavailable.
        """
        if self.keeping is not None:
            await self.keeping(due_id)
