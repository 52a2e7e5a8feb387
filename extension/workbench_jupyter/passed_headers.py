"""The headers that pass between a browser and the gateway, all of them: what is not in a table ends at this server.

So no cookie, token or XSRF mark of Jupyter's reaches the gateway, and no cookie or CORS right of its reaches a browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, urlencode

_TO_GATEWAY = (
    "accept", "content-type", "idempotency-key", "if-none-match", "openai-beta", "traceparent", "tracestate",
    "x-workbench-priority", "x-workbench-tags",
)  # fmt: skip
_TO_BROWSER = ("cache-control", "content-disposition", "content-type", "etag", "retry-after", "x-request-id")
_TO_BROWSER_WAYS = ("x-workbench-", "x-ratelimit-")
_NOT_IN_QUERIES = frozenset({"token", "_xsrf", "key", "api_key", "api-key", "access_token"})
"""Parameters by which Jupyter, or an SDK, is told who asks."""
_SUBPROTOCOLS = frozenset({"realtime", "openai-beta.realtime-v1"})
"""What a live conversation may be called; other names of SDKs' carry keys."""


def to_gateway(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what of a browser's headers goes on."""
    passing = {name: headers[name] for name in _TO_GATEWAY if name in headers}
    return {**passing, "accept-encoding": "identity"}


def to_browser(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what of the gateway's headers goes on."""
    for name, value in headers.items():
        if name.lower() in _TO_BROWSER or name.lower().startswith(_TO_BROWSER_WAYS):
            yield name, value


def query_to_gateway(query: str) -> str:
    """Return what of a query goes on."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, value) for name, value in pairs if name.lower() not in _NOT_IN_QUERIES])


def subprotocols_to_gateway(asked: Iterable[str]) -> tuple[str, ...]:
    """Return what of the subprotocols that a browser offers goes on."""
    return tuple(name for name in asked if name in _SUBPROTOCOLS)
