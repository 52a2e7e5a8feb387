"""Models and their deployments, as the configuration names them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from workbench.errors import NotFound
from workbench.settings import Kind, ModelSettings, Price, Settings


@dataclass(frozen=True, slots=True, eq=False)
class Deployment:
    """One upstream model at one provider. Two are equal only if they are the same."""

    provider: str
    """Name of the provider."""
    kind: Kind
    """The provider's protocol."""
    model: str
    """The provider's own name of the model."""
    region: str | None
    """Where it runs."""
    capacity: str
    """`on_demand` or `reserved`."""
    price: Price | None
    """Its own price, else the model's."""

    @property
    def label(self) -> str:
        """Return how headers and the ledger name it."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A name that callers use, with the deployments that may answer for it."""

    name: str
    """The name."""
    task: str
    """`chat`, `embedding` or `image`."""
    deployments: tuple[Deployment, ...]
    """In the order in which they are tried."""
    fallbacks: tuple[str, ...]
    """Models that are tried after them."""


class Models:
    """All models of a configuration."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = {model.name: model for model in models}

    @classmethod
    def from_settings(cls, settings: Settings) -> Models:
        """Read the `[[models]]` of a configuration."""
        return cls(_model(model, settings) for model in settings.models)

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def deployments(self) -> list[Deployment]:
        """Return the deployments of all models."""
        return [deployment for model in self._models.values() for deployment in model.deployments]

    def get(self, name: str) -> Model:
        """Return the model of that name; raises NotFound with the nearest names."""
        model = self._models.get(name)
        if model is None:
            raise NotFound(
                f"No model named {name[:200]!r}.", hint=_suggestion(name, self._models), code="model_not_found"
            )
        return model


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = list(known)
    if not names:
        return "The configuration names no models; the admin adds them under [[models]]."
    near = get_close_matches(name[:200], names, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(map(repr, names[:20]))}."


def _model(model: ModelSettings, settings: Settings) -> Model:
    return Model(
        name=model.name,
        task=model.task,
        deployments=tuple(
            Deployment(
                provider=deployment.provider,
                kind=settings.providers[deployment.provider].kind,
                model=deployment.model,
                region=deployment.region,
                capacity=deployment.capacity,
                price=deployment.price or model.price,
            )
            for deployment in model.deployments
        ),
        fallbacks=tuple(model.fallbacks),
    )
