"""The shared HTTP client as one provider needs it: signed in, with a second try where a token was refused."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping

from aiohttp import ClientResponse
from yarl import URL

from workbench.gateway.providers.http import HttpClient, Refusal
from workbench.gateway.providers.refusal import refusal, token_refused
from workbench.gateway.providers.signin.sign_in import SignIn


class SignedClient:
    """Sends requests of the gateway to one provider, each signed as it is sent."""

    def __init__(self, provider: str, *, client: HttpClient, signin: SignIn, refused: Refusal = refusal) -> None:
        self.signin = signin
        self._provider = provider
        self._client = client
        self._refused = refused

    async def post(self, url: URL, body: bytes, headers: Mapping[str, str]) -> ClientResponse:
        """Return the head of a success; raises what any other status means."""
        return await self.ask("POST", url, body, headers)

    async def ask(
        self, method: str, url: URL, body: bytes | AsyncIterable[bytes] | None, headers: Mapping[str, str]
    ) -> ClientResponse:
        """Return the head of a success, whatever the method; raises what any other status means."""
        response = await self.send(method, url, body, headers)
        if 200 <= response.status < 300:
            return response
        raise await self._client.meant(self._provider, response, refused=self._refused)

    async def send(
        self, method: str, url: URL, body: bytes | AsyncIterable[bytes] | None, headers: Mapping[str, str]
    ) -> ClientResponse:
        """Return the head of an answer, whatever its status; one that says 401 to an old token is asked for again.

        A body that comes in pieces can't be sent twice, nor signed by a sign-in that `signs_body`.
        """
        known = body if isinstance(body, bytes) else None
        signed = await self._signed(method, url, known, headers)
        response = await self._client.send(self._provider, method, url, body, signed)
        again = known is not None or body is None
        if again and token_refused(response.status, response.headers) and await self.signin.refused(signed):
            response.close()
            signed = await self._signed(method, url, known, headers)
            response = await self._client.send(self._provider, method, url, body, signed)
        return response

    async def _signed(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
        if not self.signin.ready:
            await self.signin.prepare()
        return {**headers, **self.signin.headers(method, url, body, headers)}
