"""What the client answers with."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, field
from typing import Any

from workbench.wire.usage import Usage

_SHOWN = 80  # characters


@dataclass(frozen=True)
class ChatResult:
    """One answer of a model."""

    text: str
    """The answer's text; empty if it has none."""
    images: list[bytes] = field(repr=False)
    """Images of the answer, as files in their own format."""
    usage: Usage
    """Tokens, as the gateway counted them."""
    cost_usd: float | None
    """US dollars; None if the price is unknown."""
    latency_ms: float
    """Milliseconds from the request to the last byte, seen from here."""
    request_id: str
    """Names the call in the gateway's ledger, and in `Gateway.feedback`."""
    model: str
    """The model that answered; after a fallback it is not the one that was asked."""
    finish_reason: str | None
    """Why it ended: `stop`, `length`, `tool_calls`, `content_filter`."""
    first_token_ms: float | None = None
    """Milliseconds to the first piece of text; None where the answer came whole."""
    raw: Any = field(default=None, repr=False, compare=False)
    """The SDK's own object: a ChatCompletion, or the list of its chunks for a stream."""

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= _SHOWN else self.text[:_SHOWN] + "..."
        return f"ChatResult({text!r}, {self.facts})"

    @property
    def facts(self) -> str:
        """What it took, in words."""
        images = f"{len(self.images)} image{'s' * (len(self.images) != 1)}, " if self.images else ""
        cost = "cost unknown" if self.cost_usd is None else f"${self.cost_usd:.6f}"
        tokens = f"{self.usage.input_tokens}+{self.usage.output_tokens} tokens"
        cut = ", cut at its length limit" if self.finish_reason == "length" else ""
        return f"{images}{self.model}, {tokens}, {cost}, {self.latency_ms:.0f} ms{cut}"

    def _repr_html_(self) -> str:
        # A model's words are not to be trusted: they are shown as text, never as markup.
        return f'<div style="white-space:pre-wrap">{html.escape(self.text)}</div>{self._below()}'

    def _below(self) -> str:
        images = "".join(
            f'<img style="max-width:24em" src="data:{_media_type(image)};base64,{base64.b64encode(image).decode()}">'
            for image in self.images
        )
        return f'{images}<div style="opacity:.6;font-size:85%">{html.escape(self.facts)}</div>'


def _media_type(image: bytes) -> str:
    starts = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
    return next((kind for start, kind in starts.items() if image.startswith(start)), "application/octet-stream")


@dataclass(frozen=True)
class PublishedPrompt:
    """A prompt as the gateway publishes it; its hash has been checked."""

    name: str
    """Its name in the registry."""
    alias: str
    """The alias that it was asked for by."""
    version: int
    """The version that is live under the alias."""
    template: str | list[dict[str, Any]]
    """A text, or chat messages; variables are `{{name}}`."""
    parameters: dict[str, Any]
    """Parameters of the call, the model among them."""
    schema: dict[str, Any] | None
    """JSON schema of the answer, or None."""
    hash: str
    """SHA-256 of template, parameters and schema."""
    published_at: str | None
    """UTC time in ISO 8601."""
    published_by: str | None
    """Who published it."""
