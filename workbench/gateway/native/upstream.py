"""Where a provider's own paths stand upstream.

An SDK is given the gateway's URL and the provider's name for the URL that it has by default, so the path that it adds
is what its provider's host sees. `base_url` is that host, with or without the part that the kind's SDK counts as its
base: that part is taken off, and what is left stands before every path. `https://proxy.example/eu/v1` of kind openai
has the prefix `/eu`: `/openai/v1/models` goes to `https://proxy.example/eu/v1/models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from workbench.gateway.providers.provider import Provider
    from workbench.settings import Kind

_COUNTED_AS_BASE: Mapping[Kind, tuple[str, ...]] = {
    "openai": ("/v1",),
    "openai_compatible": ("/v1",),
    "local": ("/v1",),
    "azure": ("/openai/v1", "/openai"),
    "anthropic": ("/v1",),
    "gemini": ("/v1beta", "/v1"),
    "vertex": ("/v1beta1", "/v1"),
}
"""Ends of a base URL that the kind's own SDK, or a habit, counts as part of it."""


def url_of(provider: Provider, path: str, query: str) -> URL:
    """Return where a path of a provider's own stands; the host is the configured one, whatever the path holds."""
    base = str(provider.base_url).rstrip("/")
    for end in _COUNTED_AS_BASE.get(provider.kind, ()):
        if base.endswith(end):
            base = base.removesuffix(end)
            break
    return URL(f"{base}{path}{f'?{query}' if query else ''}", encoded=True)
