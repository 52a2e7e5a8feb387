"""`/v1/prompts` and `/v1/feedback`: parse, one verb, reply."""

from __future__ import annotations

import asyncio
import time

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.parts import Parts
from workbench.gateway.published.changes import MOST_SECONDS
from workbench.gateway.published.feedback import Word
from workbench.gateway.published.four_eyes import check_direct
from workbench.gateway.published.past import as_of
from workbench.gateway.published.record import Publication, as_prompt
from workbench.gateway.published.serving import serve
from workbench.gateway.reply import json_reply, request_id_of
from workbench.gateway.reports.question import moment
from workbench.gateway.requests import headers_of, known_seq, read_json, whole_number
from workbench.wire import headers as names
from workbench.wire.prompt_assignment import checked_hash, user_hash
from workbench.wire.tags import write_tags

_publication = msgspec.json.Decoder(Publication)
_word = msgspec.json.Decoder(Word)
_MOST_WORDS = 1000


class PromptRoutes:
    """Published prompts: keys and identities read, an identity publishes."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def list(self, request: Request) -> Response:
        """Answer `GET /v1/prompts`."""
        await self._reader(request)
        return json_reply(request, {"data": [as_prompt(record) for record in self._gateway.published.list()]})

    async def show(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/{name}@{alias}?user=KEY|user_hash=HASH`, or 304 to who has it already.

        With `?as_of=TIME` it is what was live then.
        """
        await self._reader(request)
        gateway = self._gateway
        time_asked = moment(request.query_params.get("as_of"), name="as_of", now=time.time())
        if time_asked is not None:
            return json_reply(
                request, as_prompt(as_of(gateway.published, request.path_params["reference"], time_asked))
            )
        found = serve(gateway.published, gateway.rollouts, request.path_params["reference"], user=_user(request))
        etag = f'"{found.etag}"'
        headers = {"etag": etag, "cache-control": "private, no-cache", names.TAGS: write_tags(found.body["tags"])}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if etag in known:
            return Response(status_code=304, headers={**headers, names.REQUEST_ID: request_id_of(request.scope)})
        return json_reply(request, found.body, headers=headers)

    async def described(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/openapi.json`."""
        from workbench.gateway.published.openapi import described  # noqa: PLC0415 - loads when somebody asks

        await self._reader(request)
        return json_reply(request, described())

    async def changes(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/changes?after=SEQ&wait=SECONDS` as soon as there is something to tell."""
        await self._reader(request)
        after = known_seq(request)
        wait = whole_number(request, "wait", default=0, least=0, most=MOST_SECONDS)
        changed = await self._gateway.changes.after(after, wait=wait)
        return json_reply(request, {"seq": changed.seq, "changed": changed.references})

    async def history(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/{name}@{alias}/history`: what every worker has published by now."""
        await self._reader(request)
        await self._gateway.published.catch_up()
        return json_reply(request, {"data": self._gateway.published.history(request.path_params["reference"])})

    async def publish(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/{name}@{alias}`."""
        by = await self._gateway.identities.of(headers_of(request), role="scientist")
        wish = await read_json(request, _publication)
        check_direct(self._gateway.settings, *self._gateway.published.split(request.path_params["reference"]))
        record = await self._gateway.published.publish(request.path_params["reference"], wish, by)
        return json_reply(request, record, status=201)

    async def _reader(self, request: Request) -> None:
        await self._gateway.identities.reader(headers_of(request))


def _user(request: Request) -> str | None:
    """Return the hash of the user that a request names, None where it names none."""
    given = request.query_params
    if "user" in given and "user_hash" in given:
        raise InvalidInput("Both user and user_hash are given.", hint="Send one of them.", param="user")
    if "user_hash" in given:
        return checked_hash(given["user_hash"])
    return user_hash(given["user"]) if "user" in given else None


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
        after = known_seq(request)
        limit = whole_number(request, "limit", default=100, least=1, most=_MOST_WORDS)
        words = await asyncio.to_thread(self._gateway.feedback.after, after, limit)
        return json_reply(request, {"data": words, "next": words[-1]["seq"] if len(words) == limit else None})
