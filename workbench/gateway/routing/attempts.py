"""Which deployments a call tries, in which order, and how often: at most three attempts, fallbacks included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.gateway.access.scopes import Scopes
from workbench.gateway.routing.models import Deployment, Model, Models

MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: a deployment on behalf of a model."""

    model: Model
    """The model that answers: the one asked for, or a fallback."""
    deployment: Deployment
    """Where."""


class Attempts:
    """The tries of one call, handed out one by one."""

    def __init__(self, asked: Model, models: Models, scopes: Scopes) -> None:
        self._candidates = _candidates(asked, models, scopes)
        self._repeat: Attempt | None = None
        self._repeated: Attempt | None = None

    def __iter__(self) -> Iterator[Attempt]:
        for _ in range(MAX_ATTEMPTS):
            attempt = self._repeat or next(self._candidates, None)
            self._repeat = None
            if attempt is None:
                return
            yield attempt

    def repeat(self, attempt: Attempt) -> None:
        """Try the same deployment once more before the next: its connection had gone stale."""
        if self._repeated is not attempt:
            self._repeat = self._repeated = attempt


def _candidates(asked: Model, models: Models, scopes: Scopes) -> Iterator[Attempt]:
    for name in (asked.name, *asked.fallbacks):
        model = asked if name == asked.name else models.get(name)
        if model.task != asked.task or not (model is asked or scopes.allow_model(model.name)):
            continue
        for deployment in model.deployments:
            if scopes.allow_provider(deployment.provider):
                yield Attempt(model, deployment)
