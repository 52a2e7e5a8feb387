"""Which of several deployments takes a call: reserved capacity first, then by turns in proportion to their shares.

Turns are those of start-time fair queueing (Goyal, Vin and Cheng, 1996), counted in tokens: as one process sees all of
its own calls, it need not sample two as where the load must be guessed. Whoever comes back after an outage starts at
the turn of the others, so it is not flooded to make up for what it missed.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.gateway.routing.models import Deployment, Model

RESERVED = "reserved"


class Turns:
    """How far each deployment of a model has got with its share of the work."""

    __slots__ = ("_by_quota", "_floor", "_turns")

    def __init__(self, model: Model) -> None:
        # Quotas say how much each can take, but only if all are known; a weight of one's own counts beside them.
        self._by_quota = all(d.tokens_per_minute is not None for d in model.deployments if d.weight > 0)
        self._turns: dict[str, float] = {}
        self._floor = 0.0

    def choose(self, deployments: Sequence[Deployment]) -> Deployment:
        """Return whose turn it is; those of weight 0 only stand in, in order, where there is no other."""
        pool = [deployment for deployment in deployments if deployment.capacity == RESERVED] or deployments
        weighted = [deployment for deployment in pool if deployment.weight > 0]
        if not weighted:
            return pool[0]
        chosen = min(weighted, key=self._turn)
        self._floor = self._turns[chosen.id] = self._turn(chosen)
        return chosen

    def took(self, deployment: Deployment, tokens: int) -> None:
        """Count tokens that a deployment is to use; negative ones that it was not to use after all."""
        if deployment.weight > 0:
            quota = deployment.tokens_per_minute if self._by_quota else None
            share = deployment.weight * (quota or 1)
            self._turns[deployment.id] = self._turns.get(deployment.id, self._floor) + tokens / share

    def _turn(self, deployment: Deployment) -> float:
        return max(self._turns.get(deployment.id, 0.0), self._floor)
