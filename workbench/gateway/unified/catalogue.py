"""`GET /v1/models`: OpenAI's list of models, with what is known of each in a `catalogue` object."""

from __future__ import annotations

from typing import Any

from workbench.gateway.access.keys import Key
from workbench.gateway.ledger.prices import PriceBook
from workbench.gateway.routing.models import Model, Models

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
    """The models as callers see them."""

    def __init__(self, models: Models, prices: PriceBook, *, since: int) -> None:
        self._models = models
        self._prices = prices
        self._since = since

    def list(self, key: Key | None) -> dict[str, Any]:
        """Return all models in OpenAI's list shape."""
        return {"object": "list", "data": [self._entry(model, key) for model in self._models.visible(key)]}

    def get(self, name: str, key: Key | None) -> dict[str, Any]:
        """Return one model; raises NotFound with the nearest names."""
        return self._entry(self._models.get(name, key), key)

    def _entry(self, model: Model, key: Key | None) -> dict[str, Any]:
        first = model.deployments[0]
        known = self._prices.of(first)
        return {
            "id": model.name,
            "object": "model",
            "created": self._since,
            "owned_by": first.provider,
            "catalogue": {
                "task": model.task,
                "modalities": _MODALITIES[model.task],
                "context_tokens": model.facts.get("context_tokens", known.context_tokens),
                "max_output_tokens": model.facts.get("max_output_tokens", known.max_output_tokens),
                "price": None if known.rate is None else known.rate.as_dict(),
                "provider": first.provider,
                "region": first.region,
                "deployments": [
                    {
                        "provider": d.provider,
                        "kind": d.kind,
                        "model": d.model,
                        "region": d.region,
                        "capacity": d.capacity,
                    }
                    for d in model.deployments
                ],
                "fallbacks": list(model.fallbacks),
                "substitutes": list(model.substitutes),
                "facts": dict(model.facts),
                "allowed": key is None or key.scopes.allow_model(model.name),
            },
        }
