"""Vector stores: files in them are searched by the words that their paragraphs share with the query."""

from __future__ import annotations

from typing import Any

from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.files import FILE
from workbench.simulator.openai.listing import page
from workbench.simulator.openai.rerank import overlap
from workbench.simulator.reply import Reply, Whole
from workbench.simulator.state import NOW

_STORE = "vector store"


def create(exchange: Exchange) -> Reply:
    """Make a store, of files that are there already or come later."""
    body, account = exchange.body or {}, exchange.account
    names = list(body.get("file_ids") or ())
    for name in names:
        account.find(FILE, name)
    store = {
        "id": account.new_id("vs_"),
        "object": "vector_store",
        "created_at": NOW,
        "last_active_at": NOW,
        "name": body.get("name") or "",
        "status": "completed",
        "usage_bytes": sum(len(account.read(name)) for name in names),
        "file_counts": {"in_progress": 0, "completed": len(names), "failed": 0, "cancelled": 0, "total": len(names)},
        "metadata": body.get("metadata") or {},
        "file_ids": names,
    }
    return Whole(body=account.keep(_STORE, store))


def listed(exchange: Exchange) -> Reply:
    """Answer with a page of the stores."""
    return Whole(body=page(exchange, exchange.account.all(_STORE)))


def retrieve(exchange: Exchange) -> Reply:
    """Answer with a store."""
    return Whole(body=exchange.account.find(_STORE, exchange.params["id"]))


def delete(exchange: Exchange) -> Reply:
    """Forget a store; its files stay."""
    exchange.account.remove(_STORE, exchange.params["id"])
    return Whole(body={"id": exchange.params["id"], "object": "vector_store.deleted", "deleted": True})


def add_file(exchange: Exchange) -> Reply:
    """Put a file into a store."""
    store = exchange.account.find(_STORE, exchange.params["id"])
    file = exchange.account.find(FILE, exchange.body["file_id"])
    store["file_ids"].append(file["id"])
    store["file_counts"]["completed"] = store["file_counts"]["total"] = len(store["file_ids"])
    told = {"id": file["id"], "object": "vector_store.file", "created_at": NOW, "vector_store_id": store["id"]}
    return Whole(body={**told, "status": "completed", "last_error": None, "usage_bytes": file["bytes"]})


def search(exchange: Exchange) -> Reply:
    """Answer with the paragraphs that fit a query, the best first."""
    store, body = exchange.account.find(_STORE, exchange.params["id"]), exchange.body
    queries = body["query"] if isinstance(body["query"], list) else [body["query"]]
    hits = [hit for name in store["file_ids"] for hit in _hits(exchange, name, " ".join(queries))]
    hits.sort(key=lambda hit: -hit["score"])
    data = hits[: body.get("max_num_results") or 10]
    told = {"object": "vector_store.search_results.page", "search_query": queries}
    return Whole(body={**told, "data": data, "has_more": len(hits) > len(data), "next_page": None})


def _hits(exchange: Exchange, name: str, query: str) -> list[dict[str, Any]]:
    file = exchange.account.find(FILE, name)
    paragraphs = exchange.account.read(name).decode("utf-8", "replace").split("\n\n")
    scored = [(overlap(query, text), text) for text in paragraphs]
    return [
        {
            "file_id": name,
            "filename": file["filename"],
            "score": score,
            "attributes": {},
            "content": [{"type": "text", "text": text}],
        }
        for score, text in scored
        if score
    ]
