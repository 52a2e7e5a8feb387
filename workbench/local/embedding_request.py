"""What `/v1/embeddings` may be asked, in OpenAI's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.errors import InvalidInput

MAX_TEXTS = 2048


@dataclass(frozen=True)
class EmbeddingRequest:
    """A request that was found good."""

    texts: list[str]
    """What to embed."""
    base64: bool
    """Whether vectors go out as base64 of little-endian float32, else as lists of numbers."""
    truncate: bool
    """Whether texts over the limit are cut (vLLM's `truncate_prompt_tokens: -1`), else they are refused."""


def parse_embedding_request(body: dict[str, Any], *, dimensions: int) -> EmbeddingRequest:
    """Read the body of a request; raises InvalidInput, which names the field that can't be served."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise InvalidInput("`input` must be a text or a list of texts.", param="input")
    if len(texts) > MAX_TEXTS:
        raise InvalidInput(f"`input` holds {len(texts)} texts; at most {MAX_TEXTS} fit in one call.", param="input")
    for index, text in enumerate(texts):
        if isinstance(text, int | list):
            raise InvalidInput(
                "`input` holds token ids; this model's vocabulary is its own, so it takes texts only.",
                hint="With LangChain's OpenAIEmbeddings set check_embedding_ctx_length=False.",
                param="input",
            )
        if not isinstance(text, str) or not text:
            raise InvalidInput(f"`input[{index}]` must be a text that is not empty.", param=f"input[{index}]")
    if body.get("dimensions") not in (None, dimensions):
        raise InvalidInput(
            f"`dimensions` is {body['dimensions']!r}; vectors of this model have {dimensions}.", param="dimensions"
        )
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise InvalidInput(f"`encoding_format` is {encoding!r}; expected 'float' or 'base64'.", param="encoding_format")
    truncate = body.get("truncate_prompt_tokens")
    if truncate not in (None, -1):
        raise InvalidInput(
            "`truncate_prompt_tokens` must be -1, the model's own limit.", param="truncate_prompt_tokens"
        )
    return EmbeddingRequest(texts=texts, base64=encoding == "base64", truncate=truncate == -1)
