"""`/v1/prompts/{name}@{alias}/rollout`: parse, one verb, reply. Keys and identities read, a scientist steers."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import NotFound
from workbench.gateway.parts import Parts
from workbench.gateway.published.rollout import Event
from workbench.gateway.published.rollouts import RolloutWish
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, read_json


class Why(msgspec.Struct, forbid_unknown_fields=True):
    """The body of what a person does to a rollout."""

    reason: str


_wish = msgspec.json.Decoder(RolloutWish)
_why = msgspec.json.Decoder(Why)
_BY_HAND: dict[str, Event] = {"pause": "pause", "resume": "resume", "advance": "advance", "abort": "abort"}


class RolloutRoutes:
    """One rollout at a time for each alias."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def show(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/{name}@{alias}/rollout`: how it stands by what every worker has written."""
        await self._gateway.identities.reader(headers_of(request))
        await self._gateway.published.catch_up()
        reference = request.path_params["reference"]
        found = self._gateway.rollouts.latest(reference)
        if found is None:
            raise NotFound(f"{reference} was never rolled out.", hint="`start` begins a rollout.", code="no_rollout")
        look = await asyncio.to_thread(self._gateway.outcomes.last_look, found.id)
        return json_reply(request, {**found.as_dict(), "look": look})

    async def start(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/{name}@{alias}/rollout`."""
        by = await self._gateway.identities.of(headers_of(request), role="scientist")
        wish = await read_json(request, _wish, hint="Send reason, and if wanted candidate and plan.")
        started = await self._gateway.rollouts.start(request.path_params["reference"], wish, by)
        return json_reply(request, started.as_dict(), status=201)

    async def steer(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/{name}@{alias}/rollout/{pause|resume|advance|abort}`."""
        by = await self._gateway.identities.of(headers_of(request), role="scientist")
        event = _BY_HAND.get(request.path_params["event"])
        if event is None:
            raise NotFound("A rollout knows no such verb.", hint=f"Known: {', '.join(_BY_HAND)}.")
        why = await read_json(request, _why, hint="Send a reason.")
        found = await self._gateway.rollouts.steer(request.path_params["reference"], event, by, reason=why.reason)
        return json_reply(request, found.as_dict())
