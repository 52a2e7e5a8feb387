"""Embeddings as floats or base64, of texts or of lists of tokens."""

from __future__ import annotations

import base64
import struct
from typing import Any

from workbench.simulator.answer import vector_of, words_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Reply, Whole


def embeddings(exchange: Exchange) -> Reply:
    """Answer with a vector for each text."""
    body = exchange.body
    told = body["input"] if isinstance(body["input"], list) else [body["input"]]
    texts = [told] if told and isinstance(told[0], int) else told
    vectors: list[Any] = [vector_of(str(text), body.get("dimensions") or 8) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
    tokens = sum(len(text) if isinstance(text, list) else words_of(str(text)) for text in texts)
    return Whole(
        body={
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)],
            "model": exchange.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        },
        tokens=tokens,
        used=(Used(input=tokens),),
    )
