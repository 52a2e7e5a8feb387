"""What the public table tells of a model beside its price: what it reads and writes, what it can do, until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

_FEATURES = {
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_reasoning": "reasoning",
    "supports_prompt_caching": "prompt_caching",
    "supports_web_search": "web_search",
}
_READS = {
    "supports_vision": "image",
    "supports_embedding_image_input": "image",
    "supports_pdf_input": "pdf",
    "supports_audio_input": "audio",
    "supports_video_input": "video",
}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is told of a model; empty or None where nothing is."""

    reads: tuple[str, ...] = ()
    """Modalities that it reads."""
    writes: tuple[str, ...] = ()
    """Modalities that it writes."""
    features: tuple[str, ...] = ()
    """What else it can do."""
    reference: str | None = None
    """Where that was found."""
    deprecated_on: date | None = None
    """Day from which on its provider may take it away."""


NO_FACTS = ModelFacts()


def facts_of(fields: Mapping[str, Any]) -> ModelFacts:
    """Read the table's fields of a model."""
    return ModelFacts(
        reads=tuple(dict.fromkeys(_reads(fields))),
        writes=tuple(_texts(fields.get("supported_output_modalities"))),
        features=tuple(name for field, name in _FEATURES.items() if fields.get(field) is True),
        reference=_url(fields.get("source")),
        deprecated_on=_day(fields.get("deprecation_date")),
    )


def _reads(fields: Mapping[str, Any]) -> Iterator[str]:
    told = list(_texts(fields.get("supported_modalities")))
    more = [name for field, name in _READS.items() if fields.get(field) is True]
    if told or more:
        yield from told or ["text"]
        yield from more


def _texts(value: object) -> Iterator[str]:
    yield from (text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _url(value: object) -> str | None:
    return value if isinstance(value, str) and value.startswith("https://") else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
