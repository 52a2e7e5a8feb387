"""`/v1/embeddings`, as floats or base64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.unified.body import decode
from workbench.gateway.unified.operation import Operation
from workbench.gateway.unified.question import Question, raw_fields


class _Embeddings(msgspec.Struct):
    model: str
    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    user: str | None = None


_embeddings = msgspec.json.Decoder(_Embeddings)


def read_embeddings(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of embeddings; raises InvalidInput."""
    wish = decode(body, _embeddings)
    check_texts(wish.input, "input")
    return Question(
        operation="embeddings", model=wish.model, size=len(body), fields=raw_fields(body), forwarded=forwarded
    )


def check_texts(texts: str | list[Any], param: str) -> None:
    """Refuse what is neither a text, texts, a list of token numbers, nor several of those."""
    if not texts:
        raise InvalidInput(f"{param} is empty.", hint="Send a text, or a list of texts.", param=param)
    if isinstance(texts, str):
        return
    kinds = {type(one) for one in texts}
    if kinds == {list}:
        kinds = {type(token) for one in texts for token in one}
        if kinds == {int} and all(texts):
            return
    elif kinds in ({str}, {int}) and "" not in texts:
        return
    raise InvalidInput(
        f"{param} holds what is no text.",
        hint="Send a text, a list of texts that are not empty, or lists of token numbers.",
        param=param,
    )


EMBEDDINGS = Operation("/v1/embeddings", "embedding", read_embeddings)
