"""Sign in by a bearer token that somebody gives out and that expires."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from yarl import URL

from workbench.gateway.providers.signin.renewed import Fetched, Renewed

Headers = dict[str, str]


class TokenSignIn:
    """Headers that hold a token, renewed before it ends."""

    signs_body = False

    def __init__(self, provider: str, fetch: Callable[[], Fetched[Headers]]) -> None:
        self._token = Renewed(provider, fetch)

    @property
    def ready(self) -> bool:
        """Whether a good token is held."""
        return self._token.ready

    async def prepare(self) -> None:
        """Fetch a token if there is no good one."""
        await self._token.prepare()

    def headers(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> Headers:
        """Return the headers that hold the token."""
        return self._token.value()

    async def refused(self, sent: Mapping[str, str]) -> bool:
        """Forget the token that was sent."""
        held = self._token.holds()
        if held is not None and all(sent.get(name) == value for name, value in held.items()):
            self._token.forget(held)
        return True
