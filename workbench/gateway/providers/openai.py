"""Providers that speak OpenAI's protocol: OpenAI itself, Azure, and vLLM, Ollama or any other compatible server.

The body is relayed as bytes; only the model's name and the credential are the gateway's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from aiohttp import ClientResponse
from yarl import URL

from workbench.gateway.providers.http import HttpClient, HttpStream, Refusal, read_whole, request_id_of
from workbench.gateway.providers.provider import Question, Whole
from workbench.gateway.providers.refusal import refusal
from workbench.gateway.providers.signed import SignedClient
from workbench.gateway.providers.signin.sign_in import SignIn
from workbench.settings import Kind, Timeouts

Urls = Callable[[str, str], URL]
"""Operation and model -> where it is asked for."""

_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class OpenAIProvider:
    """A server below `base_url`; `urls` tells where its operations stand, if not at `{base_url}/{operation}`."""

    def __init__(
        self,
        name: str,
        *,
        client: HttpClient,
        base_url: URL,
        signin: SignIn,
        timeouts: Timeouts,
        kind: Kind = "openai",
        urls: Urls | None = None,
        refused: Refusal = refusal,
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.base_url = base_url
        self.signin = signin
        self.timeouts = timeouts
        self._client = SignedClient(name, client=client, signin=signin, refused=refused)
        self._url = lru_cache(maxsize=256)(urls or (lambda operation, _model: URL(f"{base_url}/{operation}")))

    @property
    def ready(self) -> bool:
        """Whether it is signed in to."""
        return self.signin.ready

    async def prepare(self) -> None:
        """Sign in."""
        await self.signin.prepare()

    async def answer(self, question: Question, model: str) -> Whole:
        """Ask for a plain answer."""
        response = await self._post(question, model)
        return Whole(await read_whole(self.name, response), request_id_of(response), limits=response.headers)

    async def stream(self, question: Question, model: str) -> HttpStream:
        """Ask for a stream and wait for its first event."""
        return await HttpStream(self.name, await self._post(question, model)).open()

    async def close(self) -> None:
        """Nothing to let go of: the connections are the client's."""

    async def _post(self, question: Question, model: str) -> ClientResponse:
        headers = {**question.forwarded, **_HEADERS} if question.forwarded else _HEADERS
        return await self._client.post(self._url(question.operation, model), question.body_for(model), headers)
