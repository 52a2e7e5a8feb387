"""Rerank in the shape that Cohere, Jina and in-house servers have in common: documents by the words of the query."""

from __future__ import annotations

import re
from typing import Any

from workbench.simulator.answer import words_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Reply, Whole


def rerank(exchange: Exchange) -> Reply:
    """Answer with the documents' places, the best first."""
    body = exchange.body
    texts = [str(d.get("text", "")) if isinstance(d, dict) else str(d) for d in body["documents"]]
    query = str(body.get("query", ""))
    ranked = sorted(((overlap(query, text), -i) for i, text in enumerate(texts)), reverse=True)
    shown = {"document"} if body.get("return_documents") else set()
    results: list[dict[str, Any]] = [
        {"index": -place, "relevance_score": score, **({"document": {"text": texts[-place]}} if shown else {})}
        for score, place in ranked[: body.get("top_n") or len(ranked)]
    ]
    tokens = sum(words_of(query) + words_of(text) for text in texts)
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    usage = {"total_tokens": tokens, "prompt_tokens": tokens}
    told = {"id": "rerank-simulated", "model": exchange.model, "results": results, "meta": meta, "usage": usage}
    return Whole(body=told, tokens=tokens, used=(Used(input=tokens, searches=1),))


def overlap(query: str, text: str) -> float:
    """Return the share of a query's words that a text holds."""
    asked, held = (set(re.findall(r"\w+", words.lower())) for words in (query, text))
    return round(len(asked & held) / max(1, len(asked)), 6)
