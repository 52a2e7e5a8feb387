"""What a candidate produced: text, images, or both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workbench.errors import InvalidInput
from workbench.wire.usage import Usage


@dataclass(frozen=True, slots=True)
class Output:
    """One output."""

    text: str | None = None
    """The text; None if there is none."""
    images: tuple[bytes, ...] = ()
    """Images as encoded files (PNG, JPEG, ...)."""
    latency_ms: float | None = field(default=None, compare=False, repr=False)
    """Milliseconds that it took; None if unknown. What it took is no part of what it is."""
    cost_usd: float | None = field(default=None, compare=False, repr=False)
    """US dollars that it cost; None if unknown."""
    usage: Usage | None = field(default=None, compare=False, repr=False)
    """Tokens that it took; None if unknown."""
    contexts: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """Texts that it was made from, if it tells: what `groundedness` holds it against."""

    @classmethod
    def of(cls, value: Any) -> Output:
        """Read an output from a text, an image's bytes, another Output, or a result with `.text`.

        Of a result, `.images`, `.latency_ms`, `.cost_usd`, `.usage` and `.contexts` (texts, else `.hits` of a search)
        are kept where it has them.
        """
        if isinstance(value, Output):
            return value
        if isinstance(value, str):
            return cls(text=value)
        if isinstance(value, bytes):
            return cls(images=(value,))
        if hasattr(value, "text"):
            text, images = value.text, tuple(getattr(value, "images", None) or ())
            return cls(
                text if text or not images else None,
                images,
                latency_ms=getattr(value, "latency_ms", None),
                cost_usd=getattr(value, "cost_usd", None),
                usage=getattr(value, "usage", None),
                contexts=_contexts(value),
            )
        raise InvalidInput(
            f"A candidate returned a {type(value).__name__}, which is no output.",
            hint="Return a str, the bytes of an image, a ChatResult or an Output.",
        )


def _contexts(value: Any) -> tuple[str, ...]:
    """Return the texts that a result was made from: its `contexts`, or what a pipeline found."""
    told = getattr(value, "contexts", None)
    if told is None:
        told = [hit.chunk.text for hit in getattr(value, "hits", None) or ()]
    return (told,) if isinstance(told, str) else tuple(map(str, told))
