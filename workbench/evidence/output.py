"""What a candidate produced: text, images, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Output:
    """One output."""

    text: str | None = None
    """The text; None if there is none."""
    images: tuple[bytes, ...] = ()
    """Images as encoded files (PNG, JPEG, ...)."""

    @classmethod
    def of(cls, value: Any) -> Output:
        """Read an output from a text, an image's bytes, another Output, or a result with `.text` and `.images`."""
        if isinstance(value, Output):
            return value
        if isinstance(value, str):
            return cls(text=value)
        if isinstance(value, bytes):
            return cls(images=(value,))
        if hasattr(value, "text"):
            text, images = value.text, tuple(getattr(value, "images", None) or ())
            return cls(text=text if text or not images else None, images=images)
        raise InvalidInput(
            f"A candidate returned a {type(value).__name__}, which is no output.",
            hint="Return a str, the bytes of an image, a ChatResult or an Output.",
        )
