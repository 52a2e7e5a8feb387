"""Batches: they complete at once, with an output file, and tell what they used, where all lines are of one model.

`metadata = {"simulator": "pending"}` leaves one unfinished; with `silent` it does not tell, as older ones did not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.chat import chat
from workbench.simulator.openai.completions import completions
from workbench.simulator.openai.embeddings import embeddings
from workbench.simulator.openai.files import put
from workbench.simulator.openai.listing import page
from workbench.simulator.openai.moderations import moderate
from workbench.simulator.openai.responses import create as respond
from workbench.simulator.reply import Refused, Reply, Whole
from workbench.simulator.state import NOW

PENDING = {"simulator": "pending"}
"""Metadata of a batch or job that is to stay unfinished until it is cancelled."""

SILENT = {"simulator": "silent"}
"""Metadata of a batch that does not tell what it used."""
_BATCH = "batch"
_ENDPOINTS: dict[str, Callable[[Exchange], Reply]] = {
    "chat/completions": chat,
    "completions": completions,
    "embeddings": embeddings,
    "moderations": moderate,
    "responses": respond,
}


def create(exchange: Exchange) -> Reply:
    """Make a batch and answer all of it."""
    body, account = exchange.body, exchange.account
    endpoint = str(body["endpoint"]).removeprefix("/v1/").lstrip("/")
    if endpoint not in _ENDPOINTS:
        raise Refused(400, f"endpoint {body['endpoint']!r} can't be batched.")
    lines = account.read(body["input_file_id"]).splitlines()
    batch = {
        "id": account.new_id("batch_"),
        "object": "batch",
        "endpoint": body["endpoint"],
        "errors": None,
        "input_file_id": body["input_file_id"],
        "completion_window": body.get("completion_window", "24h"),
        "status": "in_progress",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": NOW,
        "in_progress_at": NOW,
        "expires_at": NOW + 86400,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        "metadata": body.get("metadata"),
    }
    used: list[Used] = []
    if body.get("metadata") != PENDING:
        batch |= _completed(exchange, batch["id"], endpoint, lines, used)
        if body.get("metadata") != SILENT:
            batch |= _told_of(used)
    return Whole(body=account.keep(_BATCH, batch), used=tuple(used))


def listed(exchange: Exchange) -> Reply:
    """Answer with a page of the batches."""
    return Whole(body=page(exchange, exchange.account.all(_BATCH)))


def retrieve(exchange: Exchange) -> Reply:
    """Answer with a batch."""
    return Whole(body=exchange.account.find(_BATCH, exchange.params["id"]))


def cancel(exchange: Exchange) -> Reply:
    """Cancel a batch that is unfinished."""
    batch = exchange.account.find(_BATCH, exchange.params["id"])
    if batch["status"] != "in_progress":
        raise Refused(409, f"Cannot cancel a batch with status '{batch['status']}'.")
    batch |= {"status": "cancelled", "cancelling_at": NOW, "cancelled_at": NOW}
    return Whole(body=batch)


def _completed(exchange: Exchange, name: str, endpoint: str, lines: list[bytes], used: list[Used]) -> dict[str, Any]:
    good: list[bytes] = []
    bad: list[bytes] = []
    for number, line in enumerate(lines):
        told = _line(exchange, f"{name}_{number}", endpoint, line, used)
        (good if told["response"]["status_code"] == 200 else bad).append(msgspec.json.encode(told))
    return {
        "status": "completed",
        "output_file_id": _written(exchange, f"{name}_output.jsonl", good),
        "error_file_id": _written(exchange, f"{name}_error.jsonl", bad),
        "finalizing_at": NOW,
        "completed_at": NOW,
        "request_counts": {"total": len(lines), "completed": len(good), "failed": len(bad)},
    }


def _told_of(used: list[Used]) -> dict[str, Any]:
    models = {one.model for one in used}
    if len(models) != 1:
        return {}
    cached = sum(one.cached for one in used)
    asked, made = sum(one.input for one in used) + cached, sum(one.output for one in used)
    usage = {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked + made,
    }
    return {"model": models.pop(), "usage": usage}


def _written(exchange: Exchange, filename: str, lines: list[bytes]) -> str | None:
    """Keep lines as a file and return its id; no file is made of none."""
    if not lines:
        return None
    return str(put(exchange.account, filename, b"\n".join(lines) + b"\n", purpose="batch_output")["id"])


def _line(exchange: Exchange, name: str, endpoint: str, line: bytes, used: list[Used]) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(line)
        one = replace(exchange, body={**asked["body"], "stream": False}, path=f"/v1/{endpoint}", params={})
        reply = _ENDPOINTS[endpoint](one)
        assert isinstance(reply, Whole)
        status, body = 200, reply.body
        used += (replace(charged, tier="batch", model=one.model) for charged in reply.used)
    except Refused as refused:
        status, body = refused.status, {"error": {"message": refused.message, "type": "invalid_request_error"}}
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise Refused(400, f"A line of the input file can't be read: {error}.") from error
    response = {"status_code": status, "request_id": name, "body": body}
    return {"id": name, "custom_id": asked.get("custom_id"), "response": response, "error": None}
