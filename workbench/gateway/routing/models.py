"""Models and their deployments: as the configuration names them, let pass by a pattern, or registered live."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Protocol

from workbench.errors import NotFound
from workbench.gateway.routing.about import NOTHING, About
from workbench.gateway.routing.patterns import filled, is_pattern, matched
from workbench.settings import Kind, ModelSettings, Price, Settings

_MOST_PASSING = 500
"""How many models that are not listed one by one are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class Deployment:
    """One upstream model at one provider. Two are equal only if they are the same."""

    provider: str
    """Name of the provider."""
    kind: Kind
    """The provider's protocol."""
    model: str
    """The provider's own name of the model."""
    region: str | None = None
    """Where it runs."""
    capacity: str = "on_demand"
    """`on_demand` or `reserved`."""
    price: Price | None = None
    """Its own price, else the model's."""
    tokens_per_minute: int | None = None
    """Its quota; None: not known."""
    concurrent: int | None = None
    """Calls that it takes at once; None: not known."""
    weight: float = 1.0
    """Its share of the model's tokens; 0: it only stands in for the others."""
    reserved_usd_per_hour: float | None = None
    """What its capacity costs, used or not; None: its calls are paid."""
    label: str = field(default="", init=False)
    """How headers and the ledger name it."""
    id: str = field(default="", init=False)
    """What its health is kept under: the same upstream thing has the same id in every model that names it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", f"{self.provider}/{self.model}")
        object.__setattr__(self, "id", f"{self.label}@{self.region or ''}#{self.capacity}")

    def paid_by_call(self) -> Deployment:
        """Return the same as its batches are paid, which reserved capacity does not serve."""
        return replace(self, capacity="on_demand", reserved_usd_per_hour=None)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may see a model that is not everybody's: one owner, or one use case."""

    owner: str | None = None
    """Keys of this owner, unless a use case is named."""
    use_case: str | None = None
    """Keys of this use case."""

    def holds(self, asker: Asker) -> bool:
        """Tell whether somebody belongs to it."""
        return asker.use_case == self.use_case if self.use_case is not None else asker.owner == self.owner


class Asker(Protocol):
    """Whoever asks for a model: a key, as this room sees it."""

    @property
    def owner(self) -> str:
        """Whose key it is."""

    @property
    def use_case(self) -> str | None:
        """The use case that it belongs to."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A name that callers use, with the deployments that may answer for it."""

    name: str
    """The name."""
    task: str
    """What it does; one of the tasks of the settings."""
    deployments: tuple[Deployment, ...]
    """Where it runs."""
    fallbacks: tuple[str, ...] = ()
    """Models that are tried after them."""
    substitutes: tuple[str, ...] = ()
    """Similar models whose reserved capacity may take its calls."""
    prefer_reserved: bool = False
    """Whether substitutes come before its own on-demand deployments."""
    audience: Audience | None = None
    """Who may see it; None: everybody."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was found out about it when it was registered, for the catalogue."""
    about: About = NOTHING
    """What the configuration tells of it, for the catalogue."""


class Models:
    """All models of a gateway; a name of the configuration counts before a registered one, that before a pattern."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._listed: dict[str, Model] = {}
        self._patterns: list[Model] = []
        self._registered: dict[str, Model] = {}
        self._passing: OrderedDict[str, Model] = OrderedDict()
        for model in models:
            if is_pattern(model.name):
                self._patterns.append(model)
            else:
                self._listed[model.name] = model
        self._patterns.sort(key=lambda model: -len(model.name))  # the closest fit counts

    @classmethod
    def from_settings(cls, settings: Settings) -> Models:
        """Read the `[[models]]` of a configuration."""
        return cls(model_from(model, settings) for model in settings.models)

    def __iter__(self) -> Iterator[Model]:
        """Yield the models that have a name of their own, those of the configuration first."""
        yield from self._listed.values()
        yield from (model for name, model in self._registered.items() if name not in self._listed)

    @property
    def has_patterns(self) -> bool:
        """Whether models may pass that are not listed."""
        return bool(self._patterns)

    def visible(self, asker: Asker | None) -> Iterator[Model]:
        """Yield the models that somebody may know of; None is an admin, who sees all."""
        return (model for model in self if _shown(model, asker))

    def deployments(self) -> list[Deployment]:
        """Return the deployments of all models that have a name of their own."""
        return [deployment for model in self for deployment in model.deployments]

    def get(self, name: str, asker: Asker | None = None) -> Model:
        """Return the model of that name; raises NotFound with the nearest names, also for one that is hidden."""
        model = self._listed.get(name) or self._registered.get(name)
        if model is None:
            model = self._passing.get(name) or self._let_pass(name)
        if model is None or (model.audience is not None and not _shown(model, asker)):
            raise NotFound(
                f"No model named {name[:200]!r}.",
                hint=_suggestion(name, [model.name for model in self.visible(asker)]),
                code="model_not_found",
            )
        return model

    def is_listed(self, name: str) -> bool:
        """Tell whether the configuration names a model."""
        return name in self._listed

    def register(self, model: Model, *, visible_to: Audience | None = None) -> None:
        """Add or replace a model that is not in the configuration, from now on and until the gateway ends."""
        self._registered[model.name] = model if visible_to is None else replace(model, audience=visible_to)
        self._passing.pop(model.name, None)

    def forget(self, name: str) -> None:
        """Take a registered model away."""
        self._registered.pop(name, None)

    def _let_pass(self, name: str) -> Model | None:
        for pattern in self._patterns:
            star = matched(pattern.name, name)
            if star is None:
                continue
            deployments = tuple(replace(d, model=filled(d.model, star)) for d in pattern.deployments)
            if len(self._passing) >= _MOST_PASSING:
                self._passing.popitem(last=False)
            model = self._passing[name] = replace(pattern, name=name, deployments=deployments)
            return model
        return None


def model_from(model: ModelSettings, settings: Settings) -> Model:
    """Return a model as its settings describe it."""
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
                tokens_per_minute=deployment.tokens_per_minute,
                concurrent=deployment.concurrent,
                weight=deployment.weight,
                reserved_usd_per_hour=deployment.reserved_usd_per_hour,
            )
            for deployment in model.deployments
        ),
        fallbacks=tuple(model.fallbacks),
        substitutes=tuple(model.substitute),
        prefer_reserved=model.substitution == "prefer_reserved",
        about=About(
            description=model.description,
            reference=model.reference,
            deprecated_on=model.deprecated_on,
            successor=model.successor,
            modalities=tuple(model.modalities),
            context_tokens=model.context_tokens,
            max_output_tokens=model.max_output_tokens,
        ),
    )


def _shown(model: Model, asker: Asker | None) -> bool:
    return asker is None or model.audience is None or model.audience.holds(asker)


def _suggestion(name: str, known: list[str]) -> str:
    if not known:
        return "The configuration names no models; the admin adds them under [[models]]."
    near = get_close_matches(name[:200], known, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(map(repr, known[:20]))}."
