"""embedContent and batchEmbedContents."""

from __future__ import annotations

from typing import Any

from workbench.simulator.answer import vector_of
from workbench.simulator.exchange import Exchange
from workbench.simulator.gemini.content import pick, turn_of
from workbench.simulator.reply import Refused, Reply, Whole


def embed(exchange: Exchange) -> Reply:
    """Answer with one vector."""
    return Whole(body={"embedding": _vector(exchange.body)})


def embed_many(exchange: Exchange) -> Reply:
    """Answer with a vector for each request."""
    return Whole(body={"embeddings": [_vector(request) for request in exchange.body["requests"]]})


def _vector(request: dict[str, Any]) -> dict[str, Any]:
    content = request.get("content")
    if not isinstance(content, dict):
        raise Refused(400, "* EmbedContentRequest.content: content is not specified")
    config = pick(request, "embedContentConfig") or {}
    dimensions = pick(request, "outputDimensionality") or pick(config, "outputDimensionality") or 8
    return {"values": vector_of(turn_of(content).text, dimensions)}
