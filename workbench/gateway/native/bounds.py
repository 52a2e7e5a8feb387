"""The most that a native request can use, and where its protocol keeps the limit of an answer, as a table.

Read only for keys with a budget; a body is changed only where the budget buys a shorter answer than was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workbench.gateway.dialects.openai_events import seconds_of
from workbench.gateway.dialects.reader import MOST_SEARCHES
from workbench.gateway.native.reading import Measure
from workbench.gateway.native.rule import Reads
from workbench.wire.usage import Usage

_Place = tuple[str, ...]

_LIMITS: Mapping[Reads, tuple[_Place, ...]] = {
    "chat": (("max_completion_tokens",), ("max_tokens",)),
    "responses": (("max_output_tokens",),),
    "messages": (("max_tokens",),),
    "generate": (("generationConfig", "maxOutputTokens"), ("generation_config", "max_output_tokens")),
    "converse": (("inferenceConfig", "maxTokens"),),
    "tokens": (("options", "num_predict"),),
    "invoke": (("max_tokens",),),
    "partner": (("max_tokens",),),
}
"""Where the limit of an answer may stand; the gateway sets it where the caller did, else in the first place."""
_AS_THE_CALLER = frozenset({"invoke", "partner"})
"""Bodies of many models: only the caller knows whether there is such a field."""
_CHOICES: Mapping[Reads, _Place] = {"chat": ("n",), "generate": ("generationConfig", "candidateCount")}
_NO_TOKENS = frozenset({"usage", "transcript", "ranking"})
"""Answers without output tokens that are paid, or with no more than their model's own limit tells."""
_PICTURES: Mapping[Reads, int] = {"predict": 8, "invoke": 5}
"""Most pictures of one answer; for models that make none it counts nothing."""
_REFERENCES = (b"image_url", b'"file_id"', b"fileData", b"file_data", b'"uri"', b'"url"', b"cachedContent")
_TOKENS_BY_REFERENCE = 4000
"""Input tokens of a picture or a file that a prompt only names, at most."""
_DOCUMENTS_OF_A_SEARCH = 100
_object = msgspec.json.Decoder(dict[str, Any])
_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def most_of(reads: Reads, measure: Measure, *, size: int, body: object) -> Usage:
    """Return the most that a request can use, output tokens aside."""
    if reads == "transcript":
        return Usage(audio_seconds=seconds_of(b"", size), input_tokens=size)
    named = sum(body.count(word) for word in _REFERENCES) if isinstance(body, bytes) else 0
    return Usage(
        input_tokens=size + named * _TOKENS_BY_REFERENCE,
        images=measure.pictures if reads == "pictures" else _PICTURES.get(reads, 0),
        characters=measure.characters,
        queries=-(-measure.documents // _DOCUMENTS_OF_A_SEARCH) + searches_of(body),
    )


def searches_of(body: object) -> int:
    """Return how many searches a model may make that is given the tool for it."""
    return MOST_SEARCHES if isinstance(body, bytes) and b"web_search" in body else 0


def output_limit_of(reads: Reads, body: object) -> int | None:
    """Return the limit of an answer that a body names; 0 where there are no output tokens, None if nothing is said."""
    if reads in _NO_TOKENS:
        return 0
    fields = _fields(body) or {}
    limits = [limit for place in _LIMITS.get(reads, ()) if (limit := _at(fields, place)) is not None]
    return min(limits, default=None)


def choices_of(reads: Reads, body: object) -> int:
    """Return how many answers a body asks for."""
    place = _CHOICES.get(reads)
    return max(1, _at(_fields(body) or {}, place) or 1) if place else 1


def limited(reads: Reads, path: str, body: object, tokens: int) -> bytes | None:
    """Return a body with that limit of an answer; None where it can't be said, or the body is no JSON object."""
    places, fields = _LIMITS.get(reads, ()), _fields(body)
    if fields is None or not isinstance(body, bytes) or not places:
        return None
    told = [place for place in places if _at(fields, place) is not None]
    if not told and reads in _AS_THE_CALLER:
        return None
    raw: dict[str, Any] = dict(_raw_object.decode(body))
    usual = places[-1] if path.endswith("/completions") and "/chat/" not in path else places[0]
    for first, *rest in told or [usual]:
        section = fields.get(first)
        raw[first] = {**(section if isinstance(section, dict) else {}), rest[0]: tokens} if rest else tokens
    return msgspec.json.encode(raw)


def _fields(body: object) -> dict[str, Any] | None:
    if not isinstance(body, bytes):
        return None
    try:
        return _object.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def _at(fields: Mapping[str, Any], place: _Place) -> int | None:
    value: Any = fields
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
