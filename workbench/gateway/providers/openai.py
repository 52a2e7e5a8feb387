"""Providers that speak OpenAI's protocol: OpenAI itself, and vLLM, Ollama or any other compatible server.

The body is relayed as bytes; only the model's name and the credential are the gateway's.
"""

from __future__ import annotations

from aiohttp import ClientResponse
from yarl import URL

from workbench.gateway.providers.http import HttpClient, HttpStream, Refusal, read_whole, request_id_of
from workbench.gateway.providers.provider import Question, Whole
from workbench.gateway.providers.refusal import refusal
from workbench.settings import Timeouts


class OpenAIProvider:
    """A server below `base_url` that takes a bearer key, or none."""

    ready = True

    def __init__(
        self,
        name: str,
        *,
        client: HttpClient,
        base_url: str,
        secret: str | None,
        timeouts: Timeouts,
        refused: Refusal = refusal,
    ) -> None:
        self.name = name
        self.timeouts = timeouts
        self._client = client
        self._refused = refused
        self._base = base_url.rstrip("/")
        self._urls: dict[str, URL] = {}
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if secret:
            self._headers["Authorization"] = f"Bearer {secret}"

    async def prepare(self) -> None:
        """Nothing to prepare."""

    async def answer(self, question: Question, model: str) -> Whole:
        """Ask for a plain answer."""
        response = await self._post(question, model)
        return Whole(await read_whole(self.name, response), request_id_of(response))

    async def stream(self, question: Question, model: str) -> HttpStream:
        """Ask for a stream and wait for its first event."""
        return await HttpStream(self.name, await self._post(question, model)).open()

    async def close(self) -> None:
        """Nothing to let go of: the connections are the client's."""

    async def _post(self, question: Question, model: str) -> ClientResponse:
        return await self._client.post(
            self.name,
            self._url(question.operation),
            question.body_for(model),
            self._headers_for(question),
            refused=self._refused,
        )

    def _url(self, operation: str) -> URL:
        url = self._urls.get(operation)
        if url is None:
            url = self._urls[operation] = URL(f"{self._base}/{operation}")
        return url

    def _headers_for(self, question: Question) -> dict[str, str]:
        return {**question.forwarded, **self._headers} if question.forwarded else self._headers
