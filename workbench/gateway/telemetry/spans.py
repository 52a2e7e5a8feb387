"""What a call's spans say, in the words of OpenTelemetry's semantic conventions for generative AI."""

from __future__ import annotations

import contextlib

from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.providers.provider import Provider

Value = str | int | float | bool

_OPERATIONS = {
    "chat/completions": "chat", "completions": "text_completion", "embeddings": "embeddings", "responses": "chat",
    "messages": "chat", "converse": "chat", "converse-stream": "chat", "generateContent": "generate_content",
    "streamGenerateContent": "generate_content", "embedContent": "embeddings", "api/chat": "chat",
    "api/embed": "embeddings",
}  # fmt: skip
"""How paths end, and the convention's word for what they do."""
_PROVIDERS = {
    "openai": "openai", "azure": "azure.ai.openai", "anthropic": "anthropic", "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai", "bedrock": "aws.bedrock",
}  # fmt: skip
"""Kinds of providers, and the convention's words for them."""


def operation(path: str) -> str:
    """Return the operation's name; of what the convention has no word for, the end of the path."""
    bare = path.rstrip("/")
    for ending, name in _OPERATIONS.items():
        if bare.endswith((f"/{ending}", f":{ending}")):
            return name
    return bare.rpartition("/")[2].rpartition(":")[2] or "call"


def of_provider(provider: Provider) -> dict[str, Value]:
    """Return what is said of a provider: its name, and where it is reached."""
    told = _PROVIDERS.get(provider.kind, provider.name)
    said: dict[str, Value] = {"gen_ai.provider.name": told, "gen_ai.system": told}
    with contextlib.suppress(Exception):  # some know it only once they were asked
        if host := provider.base_url.host:
            said["server.address"] = host
            said["server.port"] = provider.base_url.port or 443
    return said


def of_call(row: LedgerRow) -> dict[str, Value]:
    """Return what is said of a call: nothing of what was asked or answered, and nobody's name."""
    known: dict[str, Value | None] = {
        "gen_ai.operation.name": operation(row.path),
        "gen_ai.request.model": row.model,
        "gen_ai.response.model": row.deployment.partition("/")[2] if row.deployment and row.outcome == "ok" else None,
        "gen_ai.usage.input_tokens": row.input_tokens,
        "gen_ai.usage.output_tokens": row.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": row.cached_input_tokens or None,
        "gen_ai.usage.cache_creation.input_tokens": row.cache_write_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": row.reasoning_tokens or None,
        "gen_ai.request.stream": None if row.stream is None else bool(row.stream),
        "http.response.status_code": row.status,
        "url.path": row.path,
        "error.type": None if row.outcome == "ok" else row.error_code or row.outcome,
        "workbench.request_id": row.request_id,
        "workbench.outcome": row.outcome,
        "workbench.use_case": row.use_case,
        "workbench.stage": row.stage,
        "workbench.cost_usd": row.cost_usd,
        "workbench.attempts": row.attempts,
        "workbench.first_token_ms": row.first_token_ms,
        "workbench.overhead_ms": row.overhead_ms,
    }
    return {name: value for name, value in known.items() if value is not None}
