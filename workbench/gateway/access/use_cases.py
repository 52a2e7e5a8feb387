"""Use cases in memory, as the way of a call sees them: who asks, how urgent it is, and what it is held to.

What happens to a use case on its way through review is kept in the state database; only what was decided stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from workbench.gateway.access.limits import NO_BUDGET, NO_LIMITS, Budget, Limits

ServiceLevel = Literal["online", "batch"]


@dataclass(frozen=True, slots=True)
class UseCase:
    """A use case that was approved, or was until it was retired."""

    name: str
    """Its name; keys and ledger rows carry it."""
    owner: str
    """The identity that answers for it."""
    data_class: str
    """The most sensitive data that it sends."""
    service_level: ServiceLevel = "online"
    """Whether somebody waits for its answers."""
    tier: int = 2
    """How critical it is: 1 comes first, 3 last."""
    guaranteed_tokens_per_minute: int = 0
    """Tokens a minute that it gets even where deployments are short."""
    weight: float = 1.0
    """Its share of what batch work may use."""
    limits: Limits = NO_LIMITS
    """How often and how much at once, over all its keys together."""
    budget: Budget = NO_BUDGET
    """For how much money, over all its keys together."""
    when_exhausted: str | None = None
    """The model that takes calls which the budget does not reach for; None: they are refused."""
    retired: bool = False
    """Whether it was retired: its keys are dead, and its share is free."""


class UseCaseTable:
    """The use cases that the gateway knows. No call waits for SQL to learn of one."""

    def __init__(self) -> None:
        self._by_name: dict[str, UseCase] = {}
        self._changed: Callable[[UseCase], None] | None = None

    def put(self, use_case: UseCase) -> None:
        """Add or replace a use case."""
        known = self._by_name.get(use_case.name)
        self._by_name[use_case.name] = use_case
        if self._changed is not None and known != use_case:
            self._changed(use_case)

    def listen(self, changed: Callable[[UseCase], None]) -> None:
        """Let `changed` hear of each use case that is added or changed from now on, in the thread that does it."""
        self._changed = changed

    def get(self, name: str | None) -> UseCase | None:
        """Return the use case of that name; None where there is none, or none is named."""
        return self._by_name.get(name) if name else None

    @property
    def has_online(self) -> bool:
        """Whether any use case needs its answers at once."""
        return any(one.service_level == "online" and not one.retired for one in self._by_name.values())

    def all(self) -> list[UseCase]:
        """Return all of them."""
        return list(self._by_name.values())
