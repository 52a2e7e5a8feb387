"""Which file speaks for which `kind` of provider. A new kind that differs only in data is a new row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import MissingComponent
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.litellm_provider import LitellmProvider
from workbench.gateway.providers.local import LocalProvider
from workbench.gateway.providers.openai import OpenAIProvider
from workbench.gateway.providers.provider import Provider
from workbench.settings import Kind, ProviderSettings, Settings, Timeouts, resolve_credential


@dataclass(frozen=True, slots=True)
class Needs:
    """What a provider is made of."""

    name: str
    """Its name in the configuration."""
    base_url: str
    """Root of its API; empty for `local`."""
    secret: str | None = field(repr=False)
    """Its credential, resolved."""
    client: HttpClient
    """The HTTP client that all share."""
    timeouts: Timeouts
    """Seconds to wait."""
    home: Path
    """The workbench's folder."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of provider."""

    base_url: str
    """What the provider's own SDK documents."""
    make: Callable[[Needs], Provider]
    """The family that speaks its protocol."""


def _openai(needs: Needs) -> Provider:
    return OpenAIProvider(
        needs.name, client=needs.client, base_url=needs.base_url, secret=needs.secret, timeouts=needs.timeouts
    )


def _local(needs: Needs) -> Provider:
    return LocalProvider(needs.name, client=needs.client, home=needs.home, timeouts=needs.timeouts)


def _litellm(family: str) -> Callable[[Needs], Provider]:
    return lambda needs: LitellmProvider(
        needs.name,
        family=family,
        client=needs.client,
        base_url=needs.base_url,
        secret=needs.secret,
        timeouts=needs.timeouts,
    )


KINDS: dict[Kind, Row] = {
    "openai": Row("https://api.openai.com/v1", _openai),
    "openai_compatible": Row("", _openai),
    "anthropic": Row("https://api.anthropic.com", _litellm("anthropic")),
    "local": Row("", _local),
}


def make_provider(name: str, provider: ProviderSettings, *, settings: Settings, client: HttpClient) -> Provider:
    """Return the provider of a configuration entry; raises MissingComponent where its credential is not there."""
    row = KINDS.get(provider.kind)
    if row is None:
        raise MissingComponent(f"Providers of kind {provider.kind!r} are not built yet.")
    secret = resolve_credential(provider.credential, folder=settings.folder) if provider.credential else None
    return row.make(
        Needs(name, provider.base_url or row.base_url, secret, client, settings.gateway.timeouts, settings.home)
    )
