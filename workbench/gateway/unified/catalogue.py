"""`GET /v1/models`: OpenAI's list of models, with what is known of each in a `catalogue` object."""

from __future__ import annotations

from datetime import date
from typing import Any

from workbench.gateway.access.keys import Key
from workbench.gateway.ledger.model_facts import ModelFacts
from workbench.gateway.ledger.price_table import Entry
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.routing.models import Model, Models
from workbench.gateway.times import utc_now
from workbench.gateway.unified.deprecations import Deprecations
from workbench.gateway.unified.latencies import Latencies
from workbench.gateway.unified.tuned import may_use

_MODALITIES = {
    "chat": {"input": ["text"], "output": ["text"]},
    "embedding": {"input": ["text"], "output": ["embedding"]},
    "image": {"input": ["text", "image"], "output": ["image"]},
    "transcription": {"input": ["audio"], "output": ["text"]},
    "speech": {"input": ["text"], "output": ["audio"]},
    "moderation": {"input": ["text", "image"], "output": ["categories"]},
    "rerank": {"input": ["text"], "output": ["ranking"]},
}


class Catalogue:
    """The models as callers see them: what the configuration says of one stands before what the public table says."""

    def __init__(self, models: Models, prices: PriceBook, *, since: int) -> None:
        self._models = models
        self._prices = prices
        self._since = since
        self.deprecations = Deprecations()

    def open(self) -> None:
        """Find out which models have an end; after the prices were read."""
        ends = {model.name: (self._end(model), model.about.successor) for model in self._models}
        self.deprecations.load({name: (day, after) for name, (day, after) in ends.items() if day is not None})

    def list(self, key: Key | None, latencies: Latencies | None = None) -> dict[str, Any]:
        """Return the models that a key may use, or for an identity all, in OpenAI's list shape."""
        models = [model for model in self._models.visible(key) if self._allowed(model, key)]
        return {"object": "list", "data": [self._entry(model, key, latencies) for model in models]}

    def get(self, name: str, key: Key | None, latencies: Latencies | None = None) -> dict[str, Any]:
        """Return one model, be it allowed or not; raises NotFound with the nearest names."""
        return self._entry(self._models.get(name, key), key, latencies)

    def _entry(self, model: Model, key: Key | None, latencies: Latencies | None) -> dict[str, Any]:
        first, about, known = model.deployments[0], model.about, self._known(model)
        facts, end = known.facts, self._end(model)
        return {
            "id": model.name,
            "object": "model",
            "created": self._since,
            "owned_by": first.provider,
            "catalogue": {
                "task": model.task,
                "description": about.description,
                "modalities": _modalities(model, facts),
                "features": list(facts.features),
                "context_tokens": about.context_tokens or model.facts.get("context_tokens", known.context_tokens),
                "max_output_tokens": about.max_output_tokens
                or model.facts.get("max_output_tokens", known.max_output_tokens),
                "price": None if known.rate is None else known.rate.as_dict(),
                "provider": first.provider,
                "region": first.region,
                "regions": list(dict.fromkeys(d.region for d in model.deployments if d.region)),
                "latency": None if latencies is None else latencies.of(model.name),
                "quota": {
                    "tokens_per_minute": _sum_of_known([d.tokens_per_minute for d in model.deployments]),
                    "concurrent": _sum_of_known([d.concurrent for d in model.deployments]),
                },
                "reference": about.reference or facts.reference,
                "deprecated_on": None if end is None else end.isoformat(),
                "deprecated": end is not None and end.isoformat() <= utc_now()[:10],
                "successor": about.successor,
                "deployments": [
                    {
                        "provider": d.provider,
                        "kind": d.kind,
                        "model": d.model,
                        "region": d.region,
                        "capacity": d.capacity,
                        "tokens_per_minute": d.tokens_per_minute,
                        "concurrent": d.concurrent,
                    }
                    for d in model.deployments
                ],
                "fallbacks": list(model.fallbacks),
                "substitutes": list(model.substitutes),
                "facts": dict(model.facts),
                "allowed": self._allowed(model, key),
            },
        }

    def _allowed(self, model: Model, key: Key | None) -> bool:
        if key is None:
            return True
        return may_use(model, key, self._models) and any(
            key.scopes.allow_provider(deployment.provider) for deployment in model.deployments
        )

    def _known(self, model: Model) -> Entry:
        return self._prices.of(model.deployments[0])

    def _end(self, model: Model) -> date | None:
        """Return the day of a model's end: as the configuration says, else of its deployment that lasts longest."""
        if model.about.deprecated_on is not None:
            return model.about.deprecated_on
        ends = [self._prices.of(deployment).facts.deprecated_on for deployment in model.deployments]
        known = [end for end in ends if end is not None]
        return max(known) if len(known) == len(ends) else None


def _modalities(model: Model, facts: ModelFacts) -> dict[str, list[str]]:
    usual = _MODALITIES[model.task]
    return {
        "input": list(model.about.modalities or facts.reads or usual["input"]),
        "output": list(facts.writes or usual["output"]),
    }


def _sum_of_known(numbers: list[int | None]) -> int | None:
    """Return the sum; None where one is not known, so that nobody counts on it."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
