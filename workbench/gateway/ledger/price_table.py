"""The public price table that litellm carries, read as data: litellm itself is not imported.

Names follow litellm: bare for OpenAI, Anthropic, Vertex's own models and Bedrock, with a prefix for the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from workbench.gateway.ledger.rate import NO_EXTRAS, Extras, Rate, TokenPrices

_FILE = "model_prices_and_context_window_backup.json"
_ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
_SIZE = re.compile(r"(\d+)-x-(\d+)")
_PICTURES = ("image_generation", "image_edit")
_FREE_TOKENS = TokenPrices(0.0, 0.0, 0.0, 0.0)
_BEDROCK_REGIONS = re.compile(r"(?:us-gov|us|eu|apac|ap|au|jp|ca|sa|global)\.")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the table knows of a model."""

    rate: Rate | None = None
    """Its price; None: not known."""
    context_tokens: int | None = None
    """Most tokens of a prompt."""
    max_output_tokens: int | None = None
    """Most tokens of an answer."""


class PriceTable:
    """The table. Empty where litellm is not installed."""

    def __init__(self, entries: Mapping[str, msgspec.Raw], edition: str | None) -> None:
        self._entries = entries
        self._graded = {name.rpartition("/")[2] for name in entries if _SIZE.search(name)}
        self._edition = edition

    @classmethod
    def read(cls) -> PriceTable:
        """Read the file. Blocks for some ten milliseconds."""
        spec = find_spec("litellm")
        for folder in (spec.submodule_search_locations or []) if spec else []:
            path = Path(folder) / _FILE
            if path.is_file():
                entries = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
                return cls(entries, _edition())
        return cls({}, None)

    def find(self, *, kind: str, provider: str, model: str, region: str | None) -> Entry:
        """Return what is known of a provider's model; an empty entry where it is not in the table.

        A compatible server may serve anything under a famous name: only entries of its own name count for it.
        """
        family = _FAMILIES.get(kind) or _named_as(provider)
        for name in family.names(model, region or ""):
            fields = self._fields(name)
            if fields and family.owns(str(fields.get("litellm_provider"))):
                return self._entry(name, fields)
            if not fields and (image := self._dearest_grade(name)):
                return Entry(Rate(_FREE_TOKENS, "price_book", self._edition, Extras(image=image)))
        return Entry()

    def _fields(self, name: str) -> dict[str, Any] | None:
        raw = self._entries.get(name)
        fields = None if raw is None else msgspec.json.decode(raw)
        return fields if isinstance(fields, dict) else None

    def _entry(self, name: str, fields: Mapping[str, Any]) -> Entry:
        return Entry(
            _rate(fields, dearest_image=self._dearest_image(name, fields), edition=self._edition),
            _whole_number(fields.get("max_input_tokens")),
            _whole_number(fields.get("max_output_tokens")),
        )

    def _dearest_image(self, name: str, fields: Mapping[str, Any]) -> float:
        price = _number(fields.get("output_cost_per_image"))
        return price or (self._dearest_grade(name) if fields.get("mode") in _PICTURES else 0.0)

    def _dearest_grade(self, name: str) -> float:
        """Return the most that a picture costs where that goes by quality and size, as in `hd/1024-x-1024/NAME`."""
        prefix, slash, bare = name.rpartition("/")
        if bare not in self._graded:
            return 0.0
        graded = re.compile(f"{re.escape(prefix + slash)}(?:[a-z]+/)?{_SIZE.pattern}/{re.escape(bare)}")
        prices = [_graded_price(match, self._fields(match[0])) for n in self._entries if (match := graded.fullmatch(n))]
        return max(prices, default=0.0)


def _graded_price(match: re.Match[str], fields: Mapping[str, Any] | None) -> float:
    if fields is None:
        return 0.0
    pixels = int(match[1]) * int(match[2])
    return _number(fields.get("input_cost_per_image")) or pixels * _number(fields.get("input_cost_per_pixel"))


def _rate(fields: Mapping[str, Any], *, dearest_image: float, edition: str | None) -> Rate | None:
    known = [name for name, value in fields.items() if "cost_per_" in name and isinstance(value, int | float)]
    if not known:
        return None
    image_token = _some_number(fields.get("output_cost_per_image_token"))
    tokens = _token_prices(fields, "")
    if "output_cost_per_token" not in fields and image_token is not None:
        tokens = TokenPrices(tokens.input, image_token, tokens.cached_input, tokens.cache_write)
    thresholds = sorted(int(match[1]) for name in fields if (match := _ABOVE.fullmatch(name)))
    extras = Extras(
        reasoning_token=_some_number(fields.get("output_cost_per_reasoning_token")),
        audio_input_token=_some_number(fields.get("input_cost_per_audio_token")),
        audio_output_token=_some_number(fields.get("output_cost_per_audio_token")),
        image_input_token=_some_number(fields.get("input_cost_per_image_token")),
        image_output_token=image_token,
        image=dearest_image,
        # Whisper's seconds stand in both places and are paid once.
        second=_number(fields.get("input_cost_per_second")) or _number(fields.get("output_cost_per_second")),
        character=_number(fields.get("input_cost_per_character")),
        query=_number(fields.get("input_cost_per_query")),
    )
    return Rate(
        tokens,
        source="price_book",
        version=edition,
        extras=NO_EXTRAS if extras == NO_EXTRAS else extras,
        tiers={above * 1000: _token_prices(fields, f"_above_{above}k_tokens") for above in thresholds},
    )


def _token_prices(fields: Mapping[str, Any], tier: str) -> TokenPrices:
    def price(name: str, default: float) -> float:
        for key in (f"{name}{tier}", name):
            value = _some_number(fields.get(key))
            if value is not None:
                return value
        return default

    into = price("input_cost_per_token", 0.0)
    return TokenPrices(
        input=into,
        output=price("output_cost_per_token", 0.0),
        cached_input=price("cache_read_input_token_cost", into),
        cache_write=price("cache_creation_input_token_cost", into),
    )


# -- whose entries count for whom ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Family:
    """Where the models of one kind of provider stand in the table."""

    owns: Callable[[str], bool]
    """Whether an entry with that `litellm_provider` is one of its models."""
    names: Callable[[str, str], Iterator[str]]
    """Model and region -> the names under which it may stand, the closest first."""


def _openai_names(model: str, _region: str) -> Iterator[str]:
    yield model
    if model.startswith("ft:"):  # ft:MODEL:ORGANISATION::ID
        yield ":".join(model.split(":")[:2])


def _azure_names(model: str, region: str) -> Iterator[str]:
    if region:
        yield f"azure/{region}/{model}"
    yield f"azure/{model}"
    yield f"azure_ai/{model}"


def _gemini_names(model: str, _region: str) -> Iterator[str]:
    yield f"gemini/{model.removeprefix('models/')}"


def _vertex_names(model: str, _region: str) -> Iterator[str]:
    bare = model.rpartition("/models/")[2] if "/models/" in model else model
    yield f"vertex_ai/{bare}"
    yield bare


def _bedrock_names(model: str, region: str) -> Iterator[str]:
    name = model.rpartition("/")[2] if model.startswith("arn:") else model
    if region:
        yield f"bedrock/{region}/{name}"
    yield name
    prefix = _BEDROCK_REGIONS.match(name)
    if prefix:
        yield name[prefix.end() :]


def _own_names(model: str, _region: str) -> Iterator[str]:
    yield model


def _is(*owners: str) -> Callable[[str], bool]:
    return lambda provider: provider in owners


def _begins(prefix: str) -> Callable[[str], bool]:
    return lambda provider: provider.startswith(prefix)


def _named_as(provider: str) -> _Family:
    def names(model: str, _region: str) -> Iterator[str]:
        yield model
        yield f"{provider}/{model}"

    return _Family(_is(provider), names)


_FAMILIES: dict[str, _Family] = {
    "openai": _Family(_is("openai", "text-completion-openai"), _openai_names),
    "anthropic": _Family(_is("anthropic"), _own_names),
    "azure": _Family(_begins("azure"), _azure_names),
    "gemini": _Family(_is("gemini"), _gemini_names),
    "vertex": _Family(_begins("vertex_ai"), _vertex_names),
    "bedrock": _Family(_begins("bedrock"), _bedrock_names),
    "litellm": _Family(_begins(""), _own_names),
}


def _number(value: object) -> float:
    return _some_number(value) or 0.0


def _some_number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def _whole_number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None


def _edition() -> str | None:
    try:
        return f"litellm-{version('litellm')}"
    except PackageNotFoundError:
        return None
