"""Ask a provider how a thing ended, and read its results line by line."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec

from workbench.errors import ProviderError
from workbench.gateway.dialects.openai_events import FreeReader
from workbench.gateway.native.upstream import url_of
from workbench.gateway.providers.http import HttpClient, HttpStream, read_whole
from workbench.gateway.providers.provider import Provider, Stream, Whole
from workbench.gateway.providers.refusal import refusal
from workbench.gateway.providers.signed import SignedClient
from workbench.gateway.settlement.store import MESSAGES, UNIFIED, Due
from workbench.gateway.unified.objects.batch_lines import lines_of
from workbench.gateway.unified.objects.kinds import BATCH as BATCHES
from workbench.gateway.unified.objects.kinds import JOB as JOBS
from workbench.gateway.unified.objects.kinds import RESPONSE as RESPONSES
from workbench.gateway.unified.question import Question

_object = msgspec.json.Decoder(dict[str, Any])
_PATHS = {kind.name: kind.path for kind in (BATCHES, JOBS, RESPONSES)} | {MESSAGES: "messages/batches"}
GONE = frozenset({"provider_not_found", "not_found"})
"""What a provider says of a thing that is gone for good."""
_HEADERS = {"Accept-Encoding": "identity", "anthropic-version": "2023-06-01"}


class Asking:
    """One provider, asked about what was left there."""

    def __init__(self, provider: Provider, client: HttpClient) -> None:
        self._provider = provider
        self._client = SignedClient(provider.name, client=client, signin=provider.signin, refused=refusal)

    async def about(self, due: Due) -> dict[str, Any]:
        """Return a thing as its provider tells of it now; raises ProviderError."""
        path = _PATHS.get(due.kind, "")
        answer = await self._get(due, f"{path}/{quote(due.upstream_id, safe='')}", below=due.upstream_id, whole=True)
        try:
            return _object.decode(answer.body if isinstance(answer, Whole) else b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderError(f"Provider {due.provider!r} answered what is no JSON object.") from error

    async def file(self, due: Due, name: str) -> AsyncIterator[bytes]:
        """Yield the lines of a file of Google's, by its name; raises ProviderError."""
        version = due.path.split("/")[1]
        url = url_of(self._provider, f"/download/{version}/{name}:download", "alt=media")
        async for line in _lines(HttpStream(due.provider, await self._client.ask("GET", url, None, _HEADERS))):
            yield line

    async def results(self, due: Due, told: dict[str, Any]) -> AsyncIterator[bytes]:
        """Yield the lines of a batch's results; raises ProviderError."""
        file = str(told.get("output_file_id") or "")
        if due.kind == MESSAGES:
            answer = await self._get(due, "", below=f"{due.upstream_id}/results", whole=False)
        else:
            answer = await self._get(due, f"files/{quote(file, safe='')}/content", below=file, whole=False, files=True)
        async for line in _lines(answer):
            yield line

    async def _get(self, due: Due, operation: str, *, below: str, whole: bool, files: bool = False) -> Whole | Stream:
        provider = self._provider
        if not provider.ready:
            await provider.prepare()
        if due.path == UNIFIED:
            question = Question(
                operation=operation, model="", size=0, fields={}, forwarded={}, reader=FreeReader, method="GET",
                binary=not whole, free=True,
            )  # fmt: skip
            return await provider.answer(question, "")
        path, _, query = due.path.partition("?")
        if files:
            path, below = f"{path.rpartition('/')[0]}/files", f"{quote(below, safe='')}/content"
        url = url_of(provider, f"{path}/{below}", query)
        response = await self._client.ask("GET", url, None, _HEADERS)
        if whole:
            return Whole(await read_whole(provider.name, response), None)
        return HttpStream(provider.name, response)


async def _lines(answer: Whole | Stream) -> AsyncIterator[bytes]:
    if isinstance(answer, Whole):
        for line in answer.body.split(b"\n"):
            yield line
        return
    async for line in lines_of(_pieces(answer), longest=math.inf):  # as long as answers are
        yield line


async def _pieces(stream: Stream) -> AsyncIterator[bytes]:
    try:
        while events := await stream.next():
            for event in events:
                yield event.raw
        if stream.cut:
            raise ProviderError("The results broke off.", hint="Settle again.")
    finally:
        stream.abort()
