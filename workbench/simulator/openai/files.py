"""Files that were uploaded, or made by batches."""

from __future__ import annotations

from typing import Any

from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.listing import page
from workbench.simulator.reply import Refused, Reply, Whole
from workbench.simulator.shelves import Shelves
from workbench.simulator.state import NOW

FILE = "File object"
"""The kind under which files are kept."""


def create(exchange: Exchange) -> Reply:
    """Take a file."""
    purpose, files = exchange.form("purpose"), exchange.files("file")
    if not purpose or not files:
        raise Refused(400, "purpose and file are required.")
    return Whole(body=put(exchange.account, files[0].filename or "file", files[0].data, purpose=purpose))


def put(account: Shelves, filename: str, content: bytes, *, purpose: str) -> dict[str, Any]:
    """Keep a file; return its object."""
    name = account.new_id("file-")
    account.write(name, content)
    told = {"id": name, "object": "file", "bytes": len(content), "created_at": NOW, "filename": filename}
    return account.keep(FILE, {**told, "purpose": purpose, "status": "processed", "expires_at": None})


def listed(exchange: Exchange) -> Reply:
    """Answer with a page of the files."""
    purpose = exchange.query.get("purpose")
    return Whole(body=page(exchange, [f for f in exchange.account.all(FILE) if purpose in (None, f["purpose"])]))


def retrieve(exchange: Exchange) -> Reply:
    """Answer with a file's object."""
    return Whole(body=exchange.account.find(FILE, exchange.params["id"]))


def content(exchange: Exchange) -> Reply:
    """Answer with a file's content."""
    exchange.account.find(FILE, exchange.params["id"])
    raw = exchange.account.read(exchange.params["id"])
    return Whole(body=raw, content_type="application/octet-stream")


def delete(exchange: Exchange) -> Reply:
    """Forget a file."""
    exchange.account.remove(FILE, exchange.params["id"])
    return Whole(body={"id": exchange.params["id"], "object": "file", "deleted": True})
