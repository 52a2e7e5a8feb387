"""The health of all deployments of a gateway, in one place: in-process, bounded, and kept across a reload."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator
from time import monotonic

from workbench.gateway.admission.cells import Counters
from workbench.gateway.routing.balance import Turns
from workbench.gateway.routing.deployment_health import DeploymentHealth, ProviderHealth
from workbench.gateway.routing.models import Deployment, Model
from workbench.gateway.routing.quota import OwnQuota, Quota, SharedQuota
from workbench.gateway.routing.retry_budget import RetryBudget
from workbench.settings import RoutingSettings

_MOST_PASSING = 1000
"""How many deployments that are not listed one by one are remembered."""


class Health:
    """What is known of each deployment and each provider."""

    def __init__(
        self,
        policy: RoutingSettings,
        deployments: Iterable[Deployment] = (),
        *,
        counters: Counters | None = None,
        before: Health | None = None,
        changed: Container[str] = (),
        clock: Callable[[], float] = monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.policy = policy
        self.clock = clock
        self.chance = chance
        """A number from 0 to 1, for jitter."""
        self.budget = self._new_budget()
        self._turns: dict[str, Turns] = {}
        self._counters = counters
        self._providers: dict[str, ProviderHealth] = {}
        self._listed: dict[str, DeploymentHealth] = {}
        self._passing: OrderedDict[str, DeploymentHealth] = OrderedDict()
        if before is not None:
            self._take_over(before, changed)
        for deployment in deployments:
            self._list(deployment, None if deployment.provider in changed else before)

    def of(self, deployment: Deployment) -> DeploymentHealth:
        """Return the health of a deployment."""
        found = self._listed.get(deployment.id)
        return found if found is not None else self._of_passing(deployment)

    def turns(self, model: Model) -> Turns:
        """Return whose turn it is among a model's deployments."""
        found = self._turns.get(model.name)
        if found is None:
            if len(self._turns) >= _MOST_PASSING:
                self._turns.clear()  # everybody starts at the same turn again
            found = self._turns[model.name] = Turns(model)
        return found

    def __iter__(self) -> Iterator[DeploymentHealth]:
        """Yield the health of every deployment that is known, those of the configuration first."""
        yield from self._listed.values()
        yield from self._passing.values()

    def _of_passing(self, deployment: Deployment) -> DeploymentHealth:
        found = self._passing.get(deployment.id)
        if found is not None:
            self._passing.move_to_end(deployment.id)
            return found
        if len(self._passing) >= _MOST_PASSING:
            self._passing.popitem(last=False)
        found = self._passing[deployment.id] = self._new(deployment, OwnQuota())  # names come from callers: no row
        return found

    def _list(self, deployment: Deployment, before: Health | None) -> None:
        if deployment.id in self._listed:
            return
        known = None if before is None else before._listed.get(deployment.id)  # noqa: SLF001 - another of its kind
        unchanged = before is not None and before.policy == self.policy
        if unchanged and known is not None and known.limit == deployment.tokens_per_minute:
            known.deployment, known.concurrent = deployment, deployment.concurrent
            self._listed[deployment.id] = known
        else:
            self._listed[deployment.id] = self._new(deployment, self._quota_of(deployment))

    def _take_over(self, before: Health, changed: Container[str]) -> None:
        """Go on with what was known, but for providers that are described anew."""
        self.clock, self.chance, self._counters = before.clock, before.chance, before._counters
        if before.policy == self.policy:
            self.budget = before.budget
            for key, known in before._passing.items():
                if known.deployment.provider not in changed:
                    self._passing[key] = known
        for name, provider in before._providers.items():
            if name not in changed:
                provider.taken()  # its credential may have been mended, and that be why
                self._providers[name] = provider

    def _new(self, deployment: Deployment, quota: Quota) -> DeploymentHealth:
        provider = self._providers.setdefault(deployment.provider, ProviderHealth(deployment.provider))
        return DeploymentHealth(deployment, provider, self.policy, self._new_budget(), quota)

    def _quota_of(self, deployment: Deployment) -> Quota:
        if self._counters is None or deployment.tokens_per_minute is None:
            return OwnQuota()
        return SharedQuota(deployment.id, self._counters)

    def _new_budget(self) -> RetryBudget:
        return RetryBudget(share=self.policy.retry_share, per_second=self.policy.retries_per_second, now=self.clock())
