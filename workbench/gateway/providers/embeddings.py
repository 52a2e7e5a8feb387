"""Embeddings in another protocol: texts out, vectors back in OpenAI's shape, as numbers or in base64."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Callable
from sys import byteorder
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.providers.translation import ANY, Asking, Lane, Request, Translated, refuse_unknown

_KNOWN = frozenset({"model", "input", "encoding_format"})
_HARMLESS = {"user": ANY}
_FORMATS = ("float", "base64")
_BYTES_PER_TOKEN = 4

Ask = Callable[[Asking, list[str]], list[Request]]
"""The requests for some texts."""
Vectors = Callable[[list[dict[str, Any]]], tuple[list[list[float]], int | None]]
"""Answers -> vectors in the order of the texts, and the input tokens if they are told."""


def embeddings_lane(*, ask: Ask, vectors: Vectors, takes: frozenset[str] = frozenset({"dimensions"})) -> Lane:
    """Return the translation of embeddings; `takes` are the fields that the protocol knows beside the texts."""

    def translate(asking: Asking) -> Translated:
        texts = texts_of(asking, takes=takes)

        def whole(bodies: list[bytes]) -> bytes:
            found, tokens = vectors([msgspec.json.decode(body) for body in bodies])
            if len(found) != len(texts):
                raise ValueError(f"{len(found)} vectors for {len(texts)} texts")
            return answer_of(asking, found, _estimate(texts) if tokens is None else tokens)

        return Translated(ask(asking, texts), whole)

    return translate


def texts_of(asking: Asking, *, takes: frozenset[str]) -> list[str]:
    """Return the texts to embed; raises InvalidInput for token numbers, and for a field that is not in `takes`."""
    refuse_unknown(asking, _KNOWN | takes, harmless=_HARMLESS)
    if (written := asking.fields.get("encoding_format")) not in (None, *_FORMATS):
        raise InvalidInput(
            f"The encoding_format {str(written)[:40]!r} can't be honoured by {asking.model!r}.",
            hint=f"Possible here: {', '.join(_FORMATS)}.",
            code="unsupported_parameter",
            param="encoding_format",
        )
    given = asking.fields["input"]
    texts = [given] if isinstance(given, str) else given
    if not all(isinstance(text, str) for text in texts):
        raise InvalidInput(
            f"input holds token numbers, and provider {asking.provider!r} takes texts only.",
            hint="Send the texts themselves (LangChain: check_embedding_ctx_length=False).",
            param="input",
        )
    return list(texts)


def answer_of(asking: Asking, found: list[list[float]], tokens: int) -> bytes:
    """Return vectors in OpenAI's shape, written as the caller asked."""
    in_base64 = asking.fields.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if in_base64 else vector}
        for index, vector in enumerate(found)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": asking.model, "usage": usage})


def _base64(vector: list[float]) -> str:
    """Return little-endian 32-bit floats, as OpenAI's SDKs ask for them."""
    numbers = array("f", vector)
    if byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


def _estimate(texts: list[str]) -> int:
    """Return about how many tokens the texts have, where a protocol does not tell."""
    return max(1, sum(len(text.encode()) for text in texts) // _BYTES_PER_TOKEN)
