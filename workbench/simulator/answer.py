"""What simulated models say: always the same for the same question, and counted the same way each time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

_ECHO = "echo: "


@dataclass(frozen=True, slots=True)
class Answer:
    """A text and what it used."""

    pieces: tuple[str, ...]
    """The text as a stream gives it out, a token each."""
    input_tokens: int
    """Words of the question."""

    @property
    def text(self) -> str:
        """Return the whole text."""
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        """Return how many tokens the text has."""
        return len(self.pieces)


def answer_to(messages: list[Any], *, limit: int | None = None) -> Answer:
    """Return the echo of the last message, in pieces of a word each."""
    texts = [_text_of(message) for message in messages]
    words = f"{_ECHO}{texts[-1] if texts else ''}".split(" ")
    pieces = tuple(word if number == 0 else f" {word}" for number, word in enumerate(words))
    return Answer(pieces[:limit] if limit else pieces, sum(len(text.split()) for text in texts) or 1)


def vector_of(text: str, dimensions: int = 8) -> list[float]:
    """Return a vector that depends on the text alone."""
    raw = hashlib.sha256(text.encode()).digest()
    return [(raw[i % len(raw)] - 127.5) / 127.5 for i in range(dimensions)]


def _text_of(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")
