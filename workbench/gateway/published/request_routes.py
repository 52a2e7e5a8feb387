"""`/v1/prompts/requests`, gates, rollback and the record itself: parse, one verb, reply."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import IntegrityError, NotFound, PermissionDenied
from workbench.gateway.access.identity import Identity
from workbench.gateway.parts import Parts
from workbench.gateway.published import request as asked
from workbench.gateway.published.four_eyes import approvals_needed
from workbench.gateway.published.past import RollbackWish, roll_back
from workbench.gateway.published.requests import ApprovalWish, EvidenceWish, GateWish, RequestWish, WordsWish
from workbench.gateway.published.watching import watched
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, known_seq, read_json, whole_number

_gate = msgspec.json.Decoder(GateWish)
_request = msgspec.json.Decoder(RequestWish)
_evidence = msgspec.json.Decoder(EvidenceWish)
_approval = msgspec.json.Decoder(ApprovalWish)
_words = msgspec.json.Decoder(WordsWish)
_rollback = msgspec.json.Decoder(RollbackWish)
_MOST_RECORDS = 1000
_MOST_REQUESTS = 100


class PromotionRoutes:
    """Promotion: scientists ask and bring evidence, reviewers decide, either publishes and rolls back."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._requests = gateway.requests

    async def register(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/gates`: a gate that is fixed before the run."""
        by = await self._identity(request, "scientist")
        wish = await read_json(request, _gate, hint="Fields: name, gates, reason.")
        return json_reply(request, await self._requests.register(wish, by), status=201)

    async def ask(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/{name}@{alias}/requests`."""
        by = await self._identity(request, "scientist")
        fields = "Fields: version, template, parameters, schema, form, gates, reason."
        wish = await read_json(request, _request, hint=fields)
        found = await self._requests.ask(request.path_params["reference"], wish, by)
        return self._reply(request, found, status=201)

    async def list(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/requests?name=&state=&after=ID&limit=N`, newest first.

        With a name and `&alias=` it tells how many must approve.
        """
        await self._identity(request, "scientist", "reviewer")
        query = request.query_params
        name, alias = query.get("name"), query.get("alias")
        limit = whole_number(request, "limit", default=_MOST_REQUESTS, least=1, most=_MOST_REQUESTS)
        found = self._requests.list(
            name=name, alias=alias, state=query.get("state"), after=known_seq(request), limit=limit + 1
        )
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        told: dict[str, Any] = {"data": [self._requests.told(each) for each in page], "next": following}
        if name is not None and alias is not None:
            told["approvals_needed"] = approvals_needed(self._gateway.settings, name, alias)
        return json_reply(request, told)

    async def show(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/requests/{id}`."""
        await self._identity(request, "scientist", "reviewer")
        return self._reply(request, self._requests.get(_number(request)))

    async def bring(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/requests/{id}/evidence`."""
        by = await self._identity(request, "scientist")
        wish = await read_json(request, _evidence)
        return self._reply(request, await self._requests.bring(_number(request), wish, by))

    async def comment(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/requests/{id}/comments`."""
        by = await self._identity(request, "scientist", "reviewer")
        return self._reply(request, await self._requests.comment(_number(request), await _said(request), by))

    async def approve(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/requests/{id}/approve`."""
        by = await self._identity(request, "reviewer")
        wish = await read_json(request, _approval, hint="Fields: seen, why, recomputed.")
        return self._reply(request, await self._requests.approve(_number(request), wish, by))

    async def reject(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/requests/{id}/reject`."""
        by = await self._identity(request, "reviewer")
        return self._reply(request, await self._requests.reject(_number(request), await _said(request), by))

    async def withdraw(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/requests/{id}/withdraw`."""
        by = await self._identity(request, "scientist", "admin")
        return self._reply(request, await self._requests.withdraw(_number(request), await _said(request), by))

    async def publish(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/requests/{id}/publish`."""
        by = await self._identity(request, "scientist", "reviewer")
        return json_reply(request, await self._requests.publish(_number(request), by), status=201)

    async def rollback(self, request: Request) -> Response:
        """Answer `POST /v1/prompts/{name}@{alias}/rollback`."""
        by = await self._identity(request, "scientist", "reviewer")
        wish = await read_json(request, _rollback, hint="Fields: reason, to, seq.")
        record = await roll_back(self._gateway.published, request.path_params["reference"], wish, by)
        return json_reply(request, record, status=201)

    async def verify(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/verify`: whether the whole record is what was written, and where it ends."""
        await self._identity(request, "scientist", "reviewer", "admin")
        chain = self._gateway.published.chain
        problem = None
        try:
            head = await asyncio.to_thread(chain.verify)
        except IntegrityError as error:
            problem, head = str(error), chain.head
        told = {"whole": problem is None, "problem": problem, "seq": head.seq, "record_hash": head.record_hash}
        return json_reply(request, told)

    async def watch(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/{name}@{alias}/watch`: outcomes of what is live, and of what was before."""
        await self._identity(request, "scientist", "reviewer")
        return json_reply(request, await asyncio.to_thread(watched, self._gateway, request.path_params["reference"]))

    async def record(self, request: Request) -> Response:
        """Answer `GET /v1/prompts/record?after=SEQ&limit=N`: every record, oldest first, to be checked elsewhere."""
        await self._identity(request, "scientist", "reviewer", "admin")
        after = known_seq(request)
        limit = whole_number(request, "limit", default=_MOST_RECORDS, least=1, most=_MOST_RECORDS)
        records = self._gateway.published.chain.records
        page = records[after : after + limit]
        following = page[-1]["seq"] if page and page[-1]["seq"] < len(records) else None
        return json_reply(request, {"data": page, "next": following})

    async def _identity(self, request: Request, *roles: str) -> Identity:
        """Return who makes a request, and take over what other workers have written: the next step is often quick.

        Raises PermissionDenied for somebody with none of these roles.
        """
        role = roles[0] if len(roles) == 1 else "user"  # which everybody has
        found = await self._gateway.identities.of(headers_of(request), role=role)
        await self._gateway.published.catch_up()
        if not found.roles.intersection(roles):
            raise PermissionDenied(
                f"{found.name} is none of {', '.join(roles)}; this needs one.",
                hint=f"The admin gives roles: [identity.roles.{roles[0]}] in the file.",
            )
        return found

    def _reply(self, request: Request, found: asked.Request, *, status: int = 200) -> Response:
        told: dict[str, Any] = self._requests.told(found)
        return json_reply(request, told, status=status)


async def _said(request: Request) -> WordsWish:
    return await read_json(request, _words, hint="Fields: text.")


def _number(request: Request) -> int:
    text = request.path_params["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound(f"No request {text[:40]!r}.", hint="A request's id is a number.")
    return int(text)
