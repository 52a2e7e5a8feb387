"""What a call costs: the price in the settings, else the public price table that litellm carries, else not known.

The table is read as data, once, at start, and only if a configured deployment needs it; litellm is not imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from workbench.gateway.routing.models import Deployment
from workbench.settings import Price
from workbench.wire.usage import Usage

_MILLION = 1_000_000
_FILE = "model_prices_and_context_window_backup.json"


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars per token, and where they stand."""

    input: float
    output: float
    cached_input: float
    cache_write: float
    source: str
    """`settings`, `price_book` or `local`."""
    version: str | None = None
    """Which edition of the source."""

    def cost(self, usage: Usage) -> float:
        """Return the cost of a call."""
        plain = max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens)
        cost = (
            plain * self.input
            + usage.cached_input_tokens * self.cached_input
            + usage.cache_write_tokens * self.cache_write
            + usage.output_tokens * self.output
        )
        return round(cost, 12)

    def as_dict(self) -> dict[str, float | str | None]:
        """Return the rate as the catalogue tells it: US dollars per million tokens."""
        return {
            "input": round(self.input * _MILLION, 6),
            "output": round(self.output * _MILLION, 6),
            "cached_input": round(self.cached_input * _MILLION, 6),
            "source": self.source,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a deployment beside its settings."""

    rate: Rate | None = None
    """Its price; None: not known."""
    context_tokens: int | None = None
    """Most tokens that prompt and answer may have together."""
    max_output_tokens: int | None = None
    """Most tokens of an answer."""


class PriceBook:
    """Prices and limits of the configured deployments."""

    def __init__(self) -> None:
        self._known: dict[Deployment, Known] = {}

    def load(self, deployments: Iterable[Deployment]) -> None:
        """Look up every deployment. Blocks for some ten milliseconds where the table is needed."""
        deployments = list(deployments)
        listed = _table() if any(d.kind != "local" and d.price is None for d in deployments) else {}
        edition = _edition() if listed else None
        for deployment in deployments:
            self._known[deployment] = _known(deployment, listed, edition)

    def of(self, deployment: Deployment) -> Known:
        """Return what is known of a deployment."""
        return self._known.get(deployment, Known())


def _known(deployment: Deployment, listed: Mapping[str, msgspec.Raw], edition: str | None) -> Known:
    if deployment.kind == "local":
        return Known(rate=Rate(0.0, 0.0, 0.0, 0.0, source="local"))
    entry = _entry(deployment, listed)
    rate = _rate_from_settings(deployment.price) if deployment.price else _rate_from_table(entry, edition)
    return Known(rate, _whole_number(entry.get("max_input_tokens")), _whole_number(entry.get("max_output_tokens")))


def _entry(deployment: Deployment, listed: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    # A compatible server may serve anything under a famous name: only its provider's own entries count for it.
    own = deployment.kind if deployment.kind in ("openai", "anthropic") else deployment.provider
    names = (deployment.model, f"{own}/{deployment.model}")
    for name in names:
        if name not in listed:
            continue
        entry = msgspec.json.decode(listed[name])
        if isinstance(entry, dict) and entry.get("litellm_provider") == own:
            return entry
    return {}


def _rate_from_settings(price: Price) -> Rate:
    cached = price.input if price.cached_input is None else price.cached_input
    return Rate(
        input=price.input / _MILLION,
        output=price.output / _MILLION,
        cached_input=cached / _MILLION,
        cache_write=price.input / _MILLION,
        source="settings",
    )


def _rate_from_table(entry: Mapping[str, Any], edition: str | None) -> Rate | None:
    into = entry.get("input_cost_per_token")
    if not isinstance(into, int | float):
        return None
    return Rate(
        input=into,
        output=entry.get("output_cost_per_token") or 0.0,
        cached_input=entry.get("cache_read_input_token_cost", into),
        cache_write=entry.get("cache_creation_input_token_cost", into),
        source="price_book",
        version=edition,
    )


def _whole_number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _table() -> dict[str, msgspec.Raw]:
    spec = find_spec("litellm")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / _FILE
        if path.is_file():
            return msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    return {}


def _edition() -> str | None:
    try:
        return f"litellm-{version('litellm')}"
    except PackageNotFoundError:
        return None
