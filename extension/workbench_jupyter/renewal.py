"""When the keys of kernels are renewed: at half their life, so that the gateway may be away for as long as the rest.

Times are this machine's: what counts is how long ago a key was issued, so a gateway's clock may be wrong.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench_jupyter.mounts import Mounted

_RENEWED_AT = 0.5  # of its life
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0  # seconds; a machine that slept is noticed within the longest


def is_due(mounted: Mounted, *, life: float) -> bool:
    """Return whether a kernel's key should be renewed by now."""
    return mounted.key_id is not None and _left(mounted, life * _RENEWED_AT) <= 0


def has_ended(mounted: Mounted, *, life: float) -> bool:
    """Return whether it is too late for that."""
    return _left(mounted, life) <= 0


def pause(all_mounted: Iterable[Mounted], *, life: float) -> float:
    """Return how many seconds to wait before the next look; for one that is due and was tried, a part of the rest."""
    waits = [
        life / 20 if is_due(mounted, life=life) else _left(mounted, life * _RENEWED_AT)
        for mounted in all_mounted
        if mounted.key_id is not None
    ]
    return min(max(min(waits, default=_LONGEST_PAUSE), _SHORTEST_PAUSE), _LONGEST_PAUSE)


def _left(mounted: Mounted, life: float) -> float:
    return mounted.issued_at + life - time.time()
