"""What the policy grants a key that somebody gives to themselves, in the words of keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.gateway.access.limits import NO_BUDGET, NO_LIMITS, Budget, Limits
from workbench.gateway.access.scopes import Scopes
from workbench.settings import STRICT_BUDGET, STRICT_LIMITS, ExplorationPolicy


@dataclass(frozen=True, slots=True)
class Granted:
    """Limits, budget and scopes of each exploration key."""

    limits: Limits = NO_LIMITS
    """How often and how much at once."""
    budget: Budget = NO_BUDGET
    """For how much money."""
    scopes: Scopes = field(default_factory=Scopes)
    """What it may use."""

    @classmethod
    def by(cls, policy: ExplorationPolicy, *, shared: bool) -> Granted:
        """Return what a policy grants; what it leaves open is strict where more people than the owner may come."""
        limits = policy.limits or (STRICT_LIMITS if shared else None)
        budget = policy.budget or (STRICT_BUDGET if shared else None)
        scopes = {name: tuple(patterns) for name, patterns in policy.scopes.model_dump().items()}
        return cls(
            limits=Limits(**limits.model_dump()) if limits else NO_LIMITS,
            budget=Budget(**budget.model_dump()) if budget else NO_BUDGET,
            scopes=Scopes(**scopes),
        )
