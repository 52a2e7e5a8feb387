"""Which file speaks for which `kind` of provider, and how it is signed in to; what differs only in data is a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from workbench.gateway.providers.azure import azure_root, azure_urls
from workbench.gateway.providers.http import HttpClient
from workbench.gateway.providers.litellm_provider import LitellmProvider
from workbench.gateway.providers.local import LocalProvider
from workbench.gateway.providers.openai import OpenAIProvider
from workbench.gateway.providers.provider import Provider
from workbench.gateway.providers.signin.aws import SigV4SignIn, configured_keys, keys_of_the_chain
from workbench.gateway.providers.signin.entra import entra_token
from workbench.gateway.providers.signin.google import google_token
from workbench.gateway.providers.signin.key import KeySignIn, bearer
from workbench.gateway.providers.signin.sign_in import SignIn
from workbench.gateway.providers.signin.token import TokenSignIn
from workbench.settings import Kind, ProviderSettings, Settings, Timeouts, resolve_credential


@dataclass(frozen=True, slots=True)
class Needs:
    """What a provider is made of."""

    name: str
    """Its name in the configuration."""
    settings: ProviderSettings
    """What the configuration says of it."""
    base_url: str
    """Root of its API; empty for `local`."""
    secret: str | None = field(repr=False)
    """Its credential, resolved; None where a cloud's sign-in gets one."""
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
    """What the provider's own SDK documents; `{region}` and the like are filled in."""
    signin: Callable[[Needs], SignIn]
    """How it is signed in to."""
    make: Callable[[Needs, SignIn], Provider]
    """The family that speaks its protocol."""


# -- sign-in -------------------------------------------------------------------------------------------------------


def _bearer(needs: Needs) -> SignIn:
    return bearer(needs.secret)


def _header(name: str) -> Callable[[Needs], SignIn]:
    return lambda needs: KeySignIn(name, needs.secret)


def _anthropic_key(needs: Needs) -> SignIn:
    oauth = (needs.secret or "").startswith("sk-ant-oat")
    return bearer(needs.secret) if oauth else KeySignIn("x-api-key", needs.secret)


def _azure_key_or_token(needs: Needs) -> SignIn:
    return KeySignIn("api-key", needs.secret) if needs.secret else TokenSignIn(needs.name, entra_token(needs.name))


def _google_token(needs: Needs) -> SignIn:
    return TokenSignIn(needs.name, google_token(needs.name, needs.secret))


def _sigv4(needs: Needs) -> SignIn:
    profile = needs.settings.credential.aws if needs.settings.credential else None
    fetch = configured_keys(needs.secret) if needs.secret else keys_of_the_chain(needs.name, profile or "default")
    return SigV4SignIn(needs.name, fetch, region=needs.settings.region or "", renewable=not needs.secret)


# -- families ------------------------------------------------------------------------------------------------------


def _openai(needs: Needs, signin: SignIn) -> Provider:
    return OpenAIProvider(
        needs.name,
        kind=needs.settings.kind,
        client=needs.client,
        base_url=URL(needs.base_url),
        signin=signin,
        timeouts=needs.timeouts,
    )


def _azure(needs: Needs, signin: SignIn) -> Provider:
    root = azure_root(needs.base_url)
    return OpenAIProvider(
        needs.name,
        kind="azure",
        client=needs.client,
        base_url=root,
        signin=signin,
        timeouts=needs.timeouts,
        urls=azure_urls(root, needs.settings.api_version),
    )


def _local(needs: Needs, _signin: SignIn) -> Provider:
    return LocalProvider(needs.name, client=needs.client, home=needs.home, timeouts=needs.timeouts)


def _translated(needs: Needs, signin: SignIn) -> Provider:
    return LitellmProvider(
        needs.name,
        settings=needs.settings,
        client=needs.client,
        base_url=URL(needs.base_url),
        signin=signin,
        timeouts=needs.timeouts,
    )


KINDS: dict[Kind, Row] = {
    "openai": Row("https://api.openai.com/v1", _bearer, _openai),
    "azure": Row("", _azure_key_or_token, _azure),
    "anthropic": Row("https://api.anthropic.com", _anthropic_key, _translated),
    "gemini": Row("https://generativelanguage.googleapis.com", _header("x-goog-api-key"), _translated),
    "vertex": Row("https://{location}-aiplatform.googleapis.com", _google_token, _translated),
    "bedrock": Row("https://bedrock-runtime.{region}.amazonaws.com", _sigv4, _translated),
    "openai_compatible": Row("", _bearer, _openai),
    "local": Row("", _bearer, _local),
    "litellm": Row("", _bearer, _translated),
}


def make_provider(name: str, provider: ProviderSettings, *, settings: Settings, client: HttpClient) -> Provider:
    """Return the provider of a configuration entry; raises MissingComponent where its credential is not there."""
    row = KINDS[provider.kind]
    credential = provider.credential
    needs = Needs(
        name=name,
        settings=provider,
        base_url=(provider.base_url or _default_url(row, provider)).rstrip("/"),
        secret=resolve_credential(credential, folder=settings.folder)
        if credential and credential.holds_secret
        else None,
        client=client,
        timeouts=settings.gateway.timeouts,
        home=settings.home,
    )
    return row.make(needs, row.signin(needs))


def _default_url(row: Row, provider: ProviderSettings) -> str:
    if provider.location == "global":
        return row.base_url.replace("{location}-", "")
    return row.base_url.format(region=provider.region, location=provider.location)
