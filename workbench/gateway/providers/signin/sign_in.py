"""What every sign-in is: headers for one request, got ready beforehand where a token must be fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from yarl import URL

from workbench.errors import Actor, ProviderCredential, ProviderUnavailable


class SignIn(Protocol):
    """The gateway's credential at one provider. No secret of it is ever shown by `repr`."""

    signs_body: bool
    """Whether `headers` must see the whole body."""

    @property
    def ready(self) -> bool:
        """Whether there is nothing to fetch now."""

    async def prepare(self) -> None:
        """Fetch or renew what is needed, once for all who wait; raises ProviderCredential or SignInUnavailable."""

    def headers(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers to add to exactly this request; the sign-in must be ready."""

    async def refused(self, sent: Mapping[str, str]) -> bool:
        """Forget what was sent, which the provider refused; return whether something fresh is worth one more try."""


class SignInUnavailable(ProviderUnavailable):
    """What gives out a provider's tokens can't be reached or fails: the admin's to see to."""

    actor: ClassVar[Actor] = "admin"


def no_token(provider: str, why: object) -> ProviderCredential:
    """Return the error for a credential that gets no token."""
    return ProviderCredential(
        f"Provider {provider!r} can't be signed in to: {_short(why)}.",
        hint=f"Not your key: the admin must mend [providers.{provider}] credential.",
    )


def token_server_down(provider: str, why: object) -> SignInUnavailable:
    """Return the error for a token server that can't be reached or fails."""
    return SignInUnavailable(
        f"Provider {provider!r} can't be signed in to: what gives out its tokens fails ({_short(why)}).",
        hint=f"Try again later; if it stays so, the admin must see to [providers.{provider}] credential.",
    )


def _short(why: object) -> str:
    text = " ".join(str(why).split()) or type(why).__name__
    return text[:300].rstrip(".")
