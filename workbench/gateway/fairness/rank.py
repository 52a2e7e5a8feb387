"""Where a call stands in a queue: its band, the flow whose share it takes, and what is guaranteed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.access.keys import Key
from workbench.gateway.access.use_cases import UseCase
from workbench.wire import headers

if TYPE_CHECKING:
    from workbench.settings.fairness import FairnessSettings

BATCH = "batch"
TIERS = (1, 2, 3)
"""Bands of online work: the tiers of use cases."""
BACKGROUND = 4
"""The band of batch work and exploration."""
BANDS = (*TIERS, BACKGROUND)
_USUAL_TIER = 2
EXPLORATION = "exploration"
"""The one flow of all exploration keys; their owners take turns in it. No use case is named with a space before it."""


class Rank(msgspec.Struct, frozen=True):
    """The place of a call."""

    band: int
    """A tier of online work, or BACKGROUND."""
    flow: str
    """Whose share it takes: a use case, or all exploration."""
    member: str
    """Who takes turns within the flow."""
    weight: float
    """The flow's weight."""
    guaranteed: int
    """Tokens a minute that the flow gets in any case."""
    use_case: str | None
    """The use case, if it is known."""


def is_batch(wish: bytes | None, use_case: UseCase | None) -> bool:
    """Tell whether a call is batch work: as its use case says, or its caller, who can only lower it.

    Raises InvalidInput for a wish that is not known.
    """
    if wish is not None:
        said = wish.decode("latin-1").strip().lower()
        if said == BATCH:
            return True
        if said != "online":
            raise InvalidInput(
                f"The header {headers.PRIORITY} says {said[:40]!r}.",
                hint="Send `batch`, or leave it away: a call can only be lowered.",
                param=headers.PRIORITY,
            )
    return use_case is not None and use_case.service_level == BATCH


def rank_of(key: Key, use_case: UseCase | None, *, batch: bool, settings: FairnessSettings) -> Rank:
    """Return the place of a key's call."""
    if key.kind == "exploration":
        return Rank(BACKGROUND, f" {EXPLORATION}", key.owner, settings.exploration_weight, 0, None)
    name = key.use_case or f" {key.owner}"
    if use_case is None:
        return Rank(BACKGROUND if batch else _USUAL_TIER, name, "", 1.0, 0, None)
    tier = use_case.tier if use_case.tier in TIERS else TIERS[0] if use_case.tier < TIERS[0] else TIERS[-1]
    # What is guaranteed is for the work that the use case was approved for, not for what a caller has lowered.
    lowered = batch and use_case.service_level != BATCH
    guaranteed = 0 if lowered else use_case.guaranteed_tokens_per_minute
    return Rank(BACKGROUND if batch else tier, name, "", use_case.weight, guaranteed, use_case.name)
