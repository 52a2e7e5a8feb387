"""A small world to route in: models, health, and a clock that only tests move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from workbench.errors import WorkbenchError
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.routing.attempts import Attempt, Attempts
from workbench.gateway.routing.deployment_health import DeploymentHealth
from workbench.gateway.routing.health import Health
from workbench.gateway.routing.models import Deployment, Model, Models
from workbench.settings import RoutingSettings


@dataclass
class World:
    """Models whose calls are decided by a test."""

    models: Models
    health: Health
    now: float = 1000.0
    sent: list[str] = field(default_factory=list)

    def of(self, model: str, number: int = 0) -> DeploymentHealth:
        """Return the health of a model's deployment."""
        return self.health.of(self.models.get(model).deployments[number])

    def attempts(self, model: str, **how: object) -> Attempts:
        """Begin a call."""
        scopes = how.pop("scopes", Scopes())
        return Attempts(self.models.get(model), self.models, scopes, self.health, **how)  # type: ignore[arg-type]

    def call(
        self,
        model: str,
        outcome: Callable[[Attempt], WorkbenchError | None] = lambda _: None,
        *,
        tokens: int = 64,
        **how: object,
    ) -> list[str]:
        """Make a call; `outcome` says how each try ends. Return where it went, and wait as told."""
        attempts = self.attempts(model, **how)
        went = []
        for attempt in attempts:
            self.now += attempt.wait
            went.append(attempt.deployment.provider)
            error = outcome(attempt)
            if error is None:
                attempts.succeeded(attempt)
                attempts.settle(tokens)
                break
            attempts.failed(attempt, error)
        self.sent += went
        return went


def deployment(provider: str, **fields: object) -> Deployment:
    """Return a deployment `provider/m`."""
    return Deployment(provider=provider, kind="openai_compatible", model="m", **fields)  # type: ignore[arg-type]


@pytest.fixture
def world() -> Callable[..., World]:
    """Make a world of models; further options are of `[routing]`."""

    def make(*models: Model, **policy: object) -> World:
        known = Models(models)
        made = World(known, None)  # type: ignore[arg-type]
        routing = RoutingSettings(**policy)  # type: ignore[arg-type]
        made.health = Health(routing, known.deployments(), clock=lambda: made.now, chance=lambda: 1.0)
        return made

    return make


@pytest.fixture
def model() -> Callable[..., Model]:
    """Make a model: its name, its deployments (or names of providers), and further fields."""

    def make(name: str, *where: Deployment | str, task: str = "chat", **fields: object) -> Model:
        deployments = tuple(deployment(one) if isinstance(one, str) else one for one in where)
        return Model(name, task, deployments, **fields)  # type: ignore[arg-type]

    return make
