"""The public price table that litellm carries, read as data: litellm itself is not imported.

Names follow litellm: bare for OpenAI, Anthropic, Vertex's own models and Bedrock, with a prefix for the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from workbench.gateway.ledger.model_facts import NO_FACTS, ModelFacts, facts_of
from workbench.gateway.ledger.rate import NO_EXTRAS, Extras, Rate, TokenPrices

_FILE = "model_prices_and_context_window_backup.json"
_ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
_SIZE = re.compile(r"(\d+)-x-(\d+)")
_PICTURES = ("image_generation", "image_edit")
_HOUR = "cache_creation_input_token_cost_above_1hr"
_GRADES = {"batch": "_batches", "flex": "_flex", "priority": "_priority"}
"""Service tiers, and how the table's fields for them end."""
_BATCH_SHARE = 0.5
"""What a batch costs of the price where the table does not say."""
_TOKENS = (
    "reasoning_token", "audio_input_token", "audio_output_token", "cached_audio_token", "image_input_token",
    "image_output_token",
)  # fmt: skip
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
    facts: ModelFacts = NO_FACTS
    """What else is known of it."""
    later: tuple[tuple[str, Entry], ...] = ()
    """What holds from a day on, in their order."""

    def at(self, time: str) -> Entry:
        """Return what holds at a time, as the ledger writes it."""
        found = self
        for since, entry in self.later:
            if time < since:
                break
            found = entry
        return found


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
            if not fields and (looks := self._looks(name)):
                extras = Extras(image=max(looks.values()), looks=looks)
                return Entry(Rate(_FREE_TOKENS, "price_book", self._edition, extras))
        return Entry()

    def _fields(self, name: str) -> dict[str, Any] | None:
        raw = self._entries.get(name)
        fields = None if raw is None else msgspec.json.decode(raw)
        return fields if isinstance(fields, dict) else None

    def _entry(self, name: str, fields: Mapping[str, Any]) -> Entry:
        return Entry(
            _rate(fields, looks=self._looks(name) if fields.get("mode") in _PICTURES else {}, edition=self._edition),
            _whole_number(fields.get("max_input_tokens")),
            _whole_number(fields.get("max_output_tokens")),
            facts_of(fields),
        )

    def _looks(self, name: str) -> dict[str, float]:
        """Return what a picture costs by quality and size, where the table has that, as in `hd/1024-x-1024/NAME`."""
        prefix, slash, bare = name.rpartition("/")
        if bare not in self._graded:
            return {}
        graded = re.compile(f"{re.escape(prefix + slash)}([a-z]+/)?{_SIZE.pattern}/{re.escape(bare)}")
        looks: dict[str, float] = {}
        for entry in self._entries:
            if (match := graded.fullmatch(entry)) is not None:
                quality, width, height = match.groups()
                looks[f"{quality or ''}{width}x{height}"] = _graded_price(int(width), int(height), self._fields(entry))
        return looks


def _graded_price(width: int, height: int, fields: Mapping[str, Any] | None) -> float:
    if fields is None:
        return 0.0
    return _number(fields.get("input_cost_per_image")) or width * height * _number(fields.get("input_cost_per_pixel"))


def _rate(fields: Mapping[str, Any], *, looks: Mapping[str, float], edition: str | None) -> Rate | None:
    known = [name for name, value in fields.items() if "cost_per_" in name and isinstance(value, int | float)]
    if not known:
        return None
    image_token = _some_number(fields.get("output_cost_per_image_token"))
    search = fields.get("search_context_cost_per_query")
    looks = {look: price for look, price in looks.items() if price}
    extras = Extras(
        reasoning_token=_some_number(fields.get("output_cost_per_reasoning_token")),
        audio_input_token=_some_number(fields.get("input_cost_per_audio_token")),
        audio_output_token=_some_number(fields.get("output_cost_per_audio_token")),
        cached_audio_token=_some_number(fields.get("cache_read_input_audio_token_cost")),
        image_input_token=_some_number(fields.get("input_cost_per_image_token")),
        image_output_token=image_token,
        image=_number(fields.get("output_cost_per_image")) or max(looks.values(), default=0.0),
        looks=looks,
        # Whisper's seconds stand in both places and are paid once.
        second=_number(fields.get("input_cost_per_second")) or _number(fields.get("output_cost_per_second")),
        character=_number(fields.get("input_cost_per_character")),
        query=_number(fields.get("input_cost_per_query"))
        or (_number(search.get("search_context_size_medium")) if isinstance(search, dict) else 0.0),
        call=_number(fields.get("input_cost_per_request")),
    )
    if extras == NO_EXTRAS:
        extras = NO_EXTRAS
    plain = Rate(_token_prices(fields, "", ""), "price_book", edition, extras, _tiers(fields, ""))
    grades = {"batch": share_of(plain, _BATCH_SHARE)}
    for grade, suffix in _GRADES.items():
        if f"input_cost_per_token{suffix}" in fields:
            tokens = _token_prices(fields, "", suffix)
            share = tokens.input / plain.tokens.input if plain.tokens.input else 1.0
            grades[grade] = replace(plain, tokens=tokens, extras=_times(extras, share), tiers=_tiers(fields, suffix))
    return replace(plain, grades=grades)


def share_of(rate: Rate, share: float) -> Rate:
    """Return a rate whose tokens, of every kind, cost a share of what they do."""
    tiers = {above: prices.times(share) for above, prices in rate.tiers.items()}
    return replace(rate, tokens=rate.tokens.times(share), extras=_times(rate.extras, share), tiers=tiers)


def _tiers(fields: Mapping[str, Any], grade: str) -> dict[int, TokenPrices]:
    thresholds = sorted(int(match[1]) for name in fields if (match := _ABOVE.fullmatch(name)))
    return {above * 1000: _token_prices(fields, f"_above_{above}k_tokens", grade) for above in thresholds}


def _times(extras: Extras, share: float) -> Extras:
    if extras is NO_EXTRAS:
        return extras
    priced = {name: price for name in _TOKENS if (price := getattr(extras, name)) is not None}
    return replace(extras, **{name: price * share for name, price in priced.items()})


def _token_prices(fields: Mapping[str, Any], tier: str, grade: str) -> TokenPrices:
    """Return the prices above a number of tokens and in a grade; what has none there has that of the next wider."""

    def price(name: str, default: float | None) -> float | None:
        for key in (f"{name}{tier}{grade}", f"{name}{tier}" if tier else f"{name}{grade}", f"{name}{grade}", name):
            value = _some_number(fields.get(key))
            if value is not None:
                return value
        return default

    into = price("input_cost_per_token", 0.0) or 0.0
    image = _some_number(fields.get("output_cost_per_image_token"))
    write = price("cache_creation_input_token_cost", into) or 0.0
    hour = _some_number(fields.get(f"{_HOUR}{tier}")) or _some_number(fields.get(_HOUR))
    plain = _some_number(fields.get("cache_creation_input_token_cost"))
    if grade and hour is not None and plain:
        hour *= write / plain
    return TokenPrices(
        input=into,
        output=price("output_cost_per_token", image or 0.0) or 0.0,
        cached_input=price("cache_read_input_token_cost", into) or 0.0,
        cache_write=write,
        cache_write_1h=hour,
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
