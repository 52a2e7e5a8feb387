"""Providers that speak OpenAI's protocol: OpenAI itself, Azure, and vLLM, Ollama or any other compatible server.

The body is relayed as bytes; only the model's name and the credential are the gateway's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from aiohttp import ClientResponse
from yarl import URL

from workbench.errors import ProviderError
from workbench.gateway.providers.http import HttpClient, HttpStream, Refusal, read_whole, request_id_of
from workbench.gateway.providers.provider import Question, Whole
from workbench.gateway.providers.refusal import refusal
from workbench.gateway.providers.signed import SignedClient
from workbench.gateway.providers.signin.sign_in import SignIn
from workbench.settings import Kind, Timeouts

Urls = Callable[[str, str], URL]
"""Operation and model -> where it is asked for."""

_BODILESS = {"Accept-Encoding": "identity"}
_HEADERS = {"Content-Type": "application/json", **_BODILESS}


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

    async def answer(self, question: Question, model: str) -> Whole | HttpStream:
        """Ask for a plain answer."""
        response = await self._ask(question, model)
        if question.binary:
            return HttpStream(self.name, response)
        body = await read_whole(self.name, response)
        if question.form is None:
            return Whole(body, request_id_of(response), limits=response.headers)
        if response.content_type == "text/html":
            raise ProviderError(f"Provider {self.name!r} answered with a web page.")
        kind = response.headers.get("content-type", "text/plain").encode("latin-1", "replace")
        return Whole(body, request_id_of(response), content_type=kind, limits=response.headers)

    async def stream(self, question: Question, model: str) -> HttpStream:
        """Ask for a stream and wait for its first event."""
        return await HttpStream(self.name, await self._ask(question, model)).open()

    async def close(self) -> None:
        """Nothing to let go of: the connections are the client's."""

    async def _ask(self, question: Question, model: str) -> ClientResponse:
        headers = {**question.forwarded, **_HEADERS} if question.forwarded else _HEADERS
        url = self._url(question.operation, model)
        if question.query:
            url = url.extend_query(question.query)
        form = question.form
        if form is not None:
            values = {"model": model.encode()} if model else {}
            headers = {
                **headers, "Content-Type": form.content_type, "Content-Length": str(form.size_with(values)),
            }  # fmt: skip
            return await self._client.ask("POST", url, form.body_with(values), headers)
        if question.method == "POST":
            return await self._client.post(url, question.body_for(model), headers)
        return await self._client.ask(question.method, url, None, {**question.forwarded, **_BODILESS})
