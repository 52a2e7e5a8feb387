"""What the gateway's catalogue tells of the models that an experiment asks: whether they are there, and their price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from workbench.errors import NotFound
from workbench.experiments.cells.price import Price, listed_price, number

_UNKNOWN_OUTPUT = 131_072
"""Output tokens of an answer, at most, where neither the candidate nor the catalogue says; the gateway's own figure."""
_OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True)
class Listed:
    """A model of the catalogue."""

    price: Price | None
    """None: nobody knows it."""
    max_output_tokens: int | None
    """Most tokens of an answer; None: the catalogue does not say."""

    def most_output(self, arguments: Mapping[str, Any]) -> int:
        """Return the most output tokens that a call with these arguments can make."""
        own = next((arguments[name] for name in _OUTPUT_LIMITS if isinstance(arguments.get(name), int)), None)
        most: int = own or self.max_output_tokens or _UNKNOWN_OUTPUT
        choices = arguments.get("n")
        return most * (choices if isinstance(choices, int) and choices > 1 else 1)


class Catalogue:
    """The models that a key may use."""

    def __init__(self, models: Mapping[str, Listed]) -> None:
        self._models = dict(models)

    @classmethod
    def read(cls, gateway: Any) -> Catalogue | None:
        """Ask a gateway's client; None for a client that has no catalogue. Raises what the client raises."""
        ask = getattr(gateway, "models", None)
        return cls({row["model"]: _listed(row) for row in ask().to_dict("records")}) if callable(ask) else None

    def of(self, model: str) -> Listed | None:
        """Return a model; None where it is not listed by its own name."""
        return self._models.get(model)

    def check(self, models: Iterable[str]) -> None:
        """Raise NotFound, with the nearest names, for a model that is neither listed nor fits a listed pattern."""
        for model in dict.fromkeys(models):
            if model in self._models or any(fnmatchcase(model, known) for known in self._models if "*" in known):
                continue
            near = get_close_matches(model, self._models, n=1)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            raise NotFound(
                f"The gateway has no model {model!r} for this key. Nothing was sent.",
                hint=f"{meant}Known: {', '.join(sorted(self._models)) or 'none'}.",
            )


def _listed(row: Mapping[Any, Any]) -> Listed:
    most = number(row.get("max_output_tokens"))
    return Listed(listed_price(row), None if most is None else int(most))
