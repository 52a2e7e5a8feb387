"""Which protocol a native path speaks, and the gateway key wherever any of their SDKs puts it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl

from workbench.gateway.dialects.anthropic import ANTHROPIC
from workbench.gateway.dialects.bedrock import BEDROCK
from workbench.gateway.dialects.dialect import Dialect
from workbench.gateway.dialects.gemini import GEMINI, GEMINI_ARRAY
from workbench.gateway.dialects.openai import OPENAI
from workbench.gateway.native.paths import Place
from workbench.gateway.native.target import Target
from workbench.settings import Kind
from workbench.wire import json_lines
from workbench.wire.key_format import KEY_PREFIXES

_KEY_HEADERS = (b"x-api-key", b"api-key", b"x-goog-api-key")
_KEY_PARAMETERS = ("key", "api-key", "access_token")
_AWS = re.compile(rb"AWS4-HMAC-SHA256\s+(?:.*[\s,])?Credential=([^/,\s]+)/")
_SUBPROTOCOL = b"openai-insecure-api-key."


def presented(headers: Mapping[bytes, bytes], query: bytes) -> str | None:
    """Return the gateway key wherever an SDK puts it; of several credentials, the one that looks like such a key."""
    found = list(_credentials(headers, query))
    return next((text for text in found if text.startswith(KEY_PREFIXES)), found[0] if found else None)


def _credentials(headers: Mapping[bytes, bytes], query: bytes) -> Iterator[str]:
    authorization = headers.get(b"authorization", b"")
    scheme, _, rest = authorization.partition(b" ")
    if scheme.lower() == b"bearer" and rest.strip():
        yield rest.strip().decode("latin-1")
    elif found := _AWS.match(authorization):
        yield found[1].decode("latin-1")
    for name in _KEY_HEADERS:
        if value := headers.get(name, b"").strip():
            yield value.decode("latin-1")
    if query:
        told = dict(reversed(parse_qsl(query.decode("latin-1"))))
        yield from (told[name] for name in _KEY_PARAMETERS if told.get(name))
    for protocol in headers.get(b"sec-websocket-protocol", b"").split(b","):
        if protocol.strip().startswith(_SUBPROTOCOL):
            yield protocol.strip().removeprefix(_SUBPROTOCOL).decode("latin-1")


_NATIVE: dict[str, Dialect] = {
    dialect.name: replace(dialect, presented=presented) for dialect in (OPENAI, ANTHROPIC, GEMINI, BEDROCK)
}
_ARRAY = replace(GEMINI_ARRAY, presented=presented)
_LINES = replace(
    _NATIVE["openai"],
    error_event=lambda body: body + b"\n",
    framing=lambda content_type: json_lines.Splitter() if content_type == json_lines.CONTENT_TYPE else None,
)
"""Ollama's own paths: a stream is lines of JSON."""
_KINDS: dict[Kind, str] = {
    "openai": "openai", "azure": "openai", "anthropic": "anthropic", "gemini": "gemini", "vertex": "gemini",
    "bedrock": "bedrock", "openai_compatible": "openai", "local": "openai", "litellm": "openai",
}  # fmt: skip


def dialect_of(kind: Kind, place: Place | None, target: Target) -> Dialect:
    """Return the protocol of a path; one that is not in the table speaks that of the kind."""
    if place is None:
        return _NATIVE[_KINDS[kind]]
    rule = place.rule
    if rule.reads == "partner":
        return _NATIVE["anthropic" if place.names.get("publisher") == "anthropic" else "openai"]
    if rule.reads == "tokens":
        return _LINES
    name = rule.speaks or _KINDS[kind]
    if name == "gemini" and rule.stream and "sse" not in target.values("alt"):
        return _ARRAY
    return _NATIVE[name]
