"""The models of native paths: the provider's own, as the configuration knows them or as the caller names them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from workbench.gateway.native.rule import Rule
from workbench.gateway.native.target import Target
from workbench.gateway.routing.models import Deployment, Model, Models

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_MOST = 1000
"""How many models are remembered: callers name them."""


def model_of(rule: Rule, named: str, target: Target) -> str:
    """Return a provider's own name of the model that a path or body names."""
    if "/endpoints/{model}" in rule.pattern:
        return f"endpoints/{named}"
    return named.removeprefix("models/") if rule.reads == "live" else named


class NativeModels:
    """A model with one deployment for each name that was called; the configured deployment where there is one."""

    def __init__(self) -> None:
        self._models: Models | None = None
        self._configured: dict[tuple[str, str], Deployment] = {}
        self._made: OrderedDict[tuple[str, str], Model] = OrderedDict()

    def of(self, provider: str, name: str, gateway: Parts) -> Model:
        """Return the model; the price, quota and health of a configured deployment are its own."""
        if gateway.models is not self._models:  # at first, and after a reload
            self._models = gateway.models
            self._configured = {(one.provider, one.model): one for one in gateway.models.deployments()}
            self._made.clear()
        place = (provider, name)
        model = self._made.get(place)
        if model is None:
            model = self._made[place] = self._make(provider, name, gateway)
            if len(self._made) > _MOST:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(place)
        return model

    def _make(self, provider: str, name: str, gateway: Parts) -> Model:
        deployment = self._configured.get((provider, name))
        if deployment is None:
            settings = gateway.settings.providers[provider]
            deployment = Deployment(
                provider=provider, kind=settings.kind, model=name, region=settings.region or settings.location
            )
        return Model(name=f"{provider}/{name}" if name else provider, task="native", deployments=(deployment,))
