"""What a call used, in disjoint counts, read from each shape that a provider states it in."""

from __future__ import annotations

from operator import add
from typing import Any

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What one call used. `input` holds `cached_input` and `cache_write`; `output` holds `reasoning`.

    Tokens of sound and pictures are within input and output, and counted beside them because their price differs.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    images: int = 0
    """Pictures that were made."""
    audio_seconds: float = 0.0
    """Seconds of sound that were read or spoken."""
    characters: int = 0
    """Characters of a text that was to be spoken."""
    queries: int = 0
    """Searches and rankings."""
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    cache_write_1h_tokens: int = 0
    """Of those written to a cache, the ones that stay for an hour."""
    cached_audio_tokens: int = 0
    """Of the cached ones, those of sound."""

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Return what both used together."""
        return Usage(*map(add, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))

    def as_dict(self) -> dict[str, float]:
        """Return the counts by their ledger names."""
        return msgspec.structs.asdict(self)

    @classmethod
    def from_openai(cls, usage: dict[str, Any]) -> Usage:
        """Read the `usage` object of chat, completions, embeddings, responses, images or transcriptions."""
        into = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
        into = into or usage.get("input_token_details") or {}  # transcriptions call it so
        out = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
        cached = into.get("cached_tokens_details") or {}
        return cls(
            input_tokens=int(usage.get("prompt_tokens") or usage.get("input_tokens") or 0),
            output_tokens=int(usage.get("completion_tokens") or usage.get("output_tokens") or 0),
            cached_input_tokens=int(into.get("cached_tokens") or 0),
            cache_write_tokens=int(into.get("cache_creation_tokens") or into.get("cache_write_tokens") or 0),
            reasoning_tokens=int(out.get("reasoning_tokens") or 0),
            audio_seconds=float(usage.get("seconds") or 0.0) if usage.get("type") == "duration" else 0.0,
            audio_input_tokens=int(into.get("audio_tokens") or 0),
            audio_output_tokens=int(out.get("audio_tokens") or 0),
            image_input_tokens=int(into.get("image_tokens") or 0),
            image_output_tokens=int(out.get("image_tokens") or 0),
            cached_audio_tokens=int(cached.get("audio_tokens") or 0),
        )
