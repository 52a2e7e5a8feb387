"""`/v1/prompts` and `/v1/feedback`: parse, one verb, reply."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.parts import Parts
from workbench.gateway.published.feedback import Word
from workbench.gateway.published.record import Publication, as_prompt
from workbench.gateway.reply import json_reply, request_id_of
from workbench.gateway.requests import headers_of, read_json, whole_number
from workbench.wire import headers as names

_publication = msgspec.json.Decoder(Publication)
_word = msgspec.json.Decoder(Word)
_MOST_WORDS = 1000
_LAST_SEQ = 2**53


class PromptRoutes:
    """Published prompts: keys and identities read, an identity publishes."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def list(self, request: Request) -> Response:
        """Answer `GET /v1/prompts`."""
        await self._reader(request)
        return json_reply(request, {"data": [as_prompt(record) for record in self._gateway.published.list()]})

    async def show(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/{name}@{alias}`, or 304 to who has it already."""
        await self._reader(request)
        record = self._gateway.published.get(request.path_params["reference"])
        etag = f'"{record["record_hash"]}"'
        headers = {"etag": etag, "cache-control": "private, no-cache"}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if etag in known:
            return Response(status_code=304, headers={**headers, names.REQUEST_ID: request_id_of(request.scope)})
        return json_reply(request, as_prompt(record), headers=headers)

    async def history(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/{name}@{alias}/history`."""
        await self._reader(request)
        return json_reply(request, {"data": self._gateway.published.history(request.path_params["reference"])})

    async def publish(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/{name}@{alias}`."""
        by = await self._gateway.identities.of(headers_of(request), role="scientist")
        wish = await read_json(request, _publication)
        record = await self._gateway.published.publish(request.path_params["reference"], wish, by)
        return json_reply(request, record, status=201)

    async def _reader(self, request: Request) -> None:
        await self._gateway.identities.reader(headers_of(request))


class FeedbackRoutes:
    """Feedback: keys give it, an identity drains it."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def give(self, request: Request) -> Response:
        """Answer `POST /v1/feedback`."""
        key = await self._gateway.identities.key(headers_of(request))
        word = await read_json(request, _word)
        return json_reply(request, await asyncio.to_thread(self._gateway.feedback.give, word, key), status=201)

    async def drain(self, request: Request) -> Response:
        """Answer `GET /v1/feedback?after=SEQ&limit=N`."""
        await self._gateway.identities.of(headers_of(request), role="scientist")
        after = whole_number(request, "after", default=0, least=0, most=_LAST_SEQ)
        limit = whole_number(request, "limit", default=100, least=1, most=_MOST_WORDS)
        words = await asyncio.to_thread(self._gateway.feedback.after, after, limit)
        return json_reply(request, {"data": words, "next": words[-1]["seq"] if len(words) == limit else None})
