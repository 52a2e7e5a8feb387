"""What a call used, in disjoint counts, read from each shape that a provider states it in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input` holds `cached_input` and `cache_write`; `output` holds `reasoning`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def as_dict(self) -> dict[str, int]:
        """Return the counts by their ledger names."""
        return asdict(self)

    @classmethod
    def from_openai(cls, usage: dict[str, Any]) -> Usage:
        """Read the `usage` object of chat completions, completions, embeddings or responses."""
        into = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
        out = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
        return cls(
            input_tokens=int(usage.get("prompt_tokens") or usage.get("input_tokens") or 0),
            output_tokens=int(usage.get("completion_tokens") or usage.get("output_tokens") or 0),
            cached_input_tokens=int(into.get("cached_tokens") or 0),
            cache_write_tokens=int(into.get("cache_creation_tokens") or into.get("cache_write_tokens") or 0),
            reasoning_tokens=int(out.get("reasoning_tokens") or 0),
        )
