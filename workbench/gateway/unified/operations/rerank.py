"""`/v1/rerank`: documents by how well they answer a query. OpenAI has none: the shape is Cohere's and Jina's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.dialects.openai_events import RankingReader
from workbench.gateway.unified.body import decode
from workbench.gateway.unified.operation import Operation
from workbench.gateway.unified.operations.chat import Count
from workbench.gateway.unified.question import Question, raw_fields
from workbench.wire.usage import Usage


class _Ranking(msgspec.Struct):
    model: str
    query: str
    documents: list[str | dict[str, Any]]
    top_n: Count | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: Count | None = None


_ranking = msgspec.json.Decoder(_Ranking)


def read_ranking(body: bytes, forwarded: Mapping[str, str]) -> Question:
    """Read the body of rerank; raises InvalidInput."""
    wish = decode(body, _ranking)
    if not wish.query:
        raise InvalidInput("query is empty.", hint="Send a text.", param="query")
    if not wish.documents:
        raise InvalidInput("documents is empty.", hint="Send a list of texts.", param="documents")
    count = len(wish.documents)
    return Question(
        operation="rerank",
        model=wish.model,
        size=len(body),
        fields=raw_fields(body),
        forwarded=forwarded,
        reader=partial(RankingReader, documents=count),
        # A long document may be billed as several: by Cohere's reference, a part of 500 tokens each.
        pieces=Usage(queries=1 + count // 100 + len(body) // 50_000),
    )


RERANK = Operation("/v1/rerank", "rerank", read_ranking)
