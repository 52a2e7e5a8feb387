"""`/use-cases`, `/admin/v1/use-cases` and `/me/acknowledgements`: parse, one verb, reply."""

from __future__ import annotations

from typing import Any, cast, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.access.identity import Identity
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, read_json, whole_number
from workbench.gateway.review import grant, rfc
from workbench.gateway.review.record import Record
from workbench.gateway.review.review import SubmitWish, UseCaseKeyWish, Words
from workbench.gateway.review.states import State, actions_in, what_now

_MOST = 1000


class Comment(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /use-cases/{name}/comments`."""

    text: Words = ""


class Decision(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a decision."""

    why: Words = ""


class Escalation(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST .../escalate`."""

    why: Words = ""
    to: str | None = None


class Acknowledgement(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /me/acknowledgements`."""

    version: str


_rfc = msgspec.json.Decoder(rfc.Rfc)
_change = msgspec.json.Decoder(rfc.RfcChange)
_submit = msgspec.json.Decoder(SubmitWish)
_comment = msgspec.json.Decoder(Comment)
_key = msgspec.json.Decoder(UseCaseKeyWish)
_grant = msgspec.json.Decoder(grant.GrantWish)
_decision = msgspec.json.Decoder(Decision)
_escalation = msgspec.json.Decoder(Escalation)
_acknowledgement = msgspec.json.Decoder(Acknowledgement)


class UseCaseRoutes:
    """Use cases for those who own them, and for those who may see them."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway
        self._review = gateway.review

    async def list(self, request: Request) -> Response:
        """Answer `GET /use-cases?state=&limit=`: one's own, or all for a reviewer."""
        return await self._list(request, await self._identity(request))

    async def list_all(self, request: Request) -> Response:
        """Answer `GET /admin/v1/use-cases`, for reviewers."""
        return await self._list(request, await self._gateway.identities.of(headers_of(request), role="reviewer"))

    async def draft(self, request: Request) -> Response:
        """Answer `POST /use-cases`."""
        identity = await self._identity(request)
        wish = await read_json(request, _rfc, hint=rfc.FIELDS)
        record = await self._review.draft(wish, identity)
        return json_reply(request, self._told(record), status=201)

    async def show(self, request: Request) -> Response:
        """Answer `GET /use-cases/{name}`: the whole of it, with its checklist, its keys and what happened to it."""
        identity = await self._identity(request)
        record = await self._review.get(request.path_params["name"], identity)
        policy = self._review.policy
        known = [name for name in record.rfc.data_classes if name in policy.review.data_classes]
        more = {
            "checklist": [question.model_dump() for question in policy.questions(known)],
            "approvals_needed": policy.approvals(known) if known else None,
            "keys": await self._review.keys(record.name),
            "events": [event.as_dict() for event in await self._review.events(record.name)],
        }
        return json_reply(request, {**self._told(record), **more})

    async def edit(self, request: Request) -> Response:
        """Answer `PATCH /use-cases/{name}`."""
        identity = await self._identity(request)
        change = await read_json(request, _change, hint=rfc.FIELDS)
        return self._reply(request, await self._review.edit(request.path_params["name"], identity, change))

    async def submit(self, request: Request) -> Response:
        """Answer `POST /use-cases/{name}/submit`."""
        identity = await self._identity(request)
        wish = await read_json(request, _submit, hint="Fields: why, acknowledge, projection.")
        return self._reply(request, await self._review.submit(request.path_params["name"], identity, wish))

    async def comment(self, request: Request) -> Response:
        """Answer `POST /use-cases/{name}/comments`."""
        identity = await self._identity(request)
        said = await read_json(request, _comment, hint="Fields: text.")
        return self._reply(request, await self._review.comment(request.path_params["name"], identity, said.text))

    async def key(self, request: Request) -> Response:
        """Answer `POST /use-cases/{name}/keys`: a production key, told this once."""
        identity = await self._identity(request)
        wish = await read_json(request, _key, hint="Fields: note, expires_in, models, providers, paths.")
        issued = await self._review.key(request.path_params["name"], identity, wish)
        return json_reply(request, {"key": issued.secret, **issued.key.as_dict()}, status=201)

    async def risks(self, request: Request) -> Response:
        """Answer `GET /me/acknowledgements`."""
        identity = await self._identity(request)
        return json_reply(request, await self._review.acknowledging.told(identity))

    async def acknowledge(self, request: Request) -> Response:
        """Answer `POST /me/acknowledgements`."""
        identity = await self._identity(request)
        wish = await read_json(request, _acknowledgement, hint="Fields: version.")
        return json_reply(request, await self._review.acknowledging.acknowledge(identity, wish.version), status=201)

    # -- decisions -----------------------------------------------------------------------------------------------------

    async def approve(self, request: Request) -> Response:
        """Answer `POST /admin/v1/use-cases/{name}/approve`."""
        identity = await self._identity(request)
        wish = await read_json(request, _grant, hint=grant.FIELDS)
        return self._reply(request, await self._review.approve(request.path_params["name"], identity, wish))

    async def amend(self, request: Request) -> Response:
        """Answer `POST /admin/v1/use-cases/{name}/amend`."""
        identity = await self._identity(request)
        wish = await read_json(request, _grant, hint=grant.FIELDS)
        return self._reply(request, await self._review.amend(request.path_params["name"], identity, wish))

    async def reject(self, request: Request) -> Response:
        """Answer `POST /admin/v1/use-cases/{name}/reject`."""
        identity, why = await self._decision(request)
        return self._reply(request, await self._review.reject(request.path_params["name"], identity, why=why))

    async def request_changes(self, request: Request) -> Response:
        """Answer `POST /admin/v1/use-cases/{name}/request-changes`."""
        identity, why = await self._decision(request)
        return self._reply(request, await self._review.request_changes(request.path_params["name"], identity, why=why))

    async def escalate(self, request: Request) -> Response:
        """Answer `POST /admin/v1/use-cases/{name}/escalate`."""
        identity = await self._identity(request)
        wish = await read_json(request, _escalation, hint="Fields: why, to.")
        name = request.path_params["name"]
        return self._reply(request, await self._review.escalate(name, identity, to=wish.to, why=wish.why))

    async def retire(self, request: Request) -> Response:
        """Answer `POST /admin/v1/use-cases/{name}/retire`."""
        identity, why = await self._decision(request)
        return self._reply(request, await self._review.retire(request.path_params["name"], identity, why=why))

    # -- all of them ---------------------------------------------------------------------------------------------------

    async def _identity(self, request: Request) -> Identity:
        return await self._gateway.identities.of(headers_of(request))

    async def _decision(self, request: Request) -> tuple[Identity, str]:
        identity = await self._identity(request)
        return identity, (await read_json(request, _decision, hint="Fields: why.")).why

    async def _list(self, request: Request, identity: Identity) -> Response:
        state = request.query_params.get("state")
        if state is not None and state not in get_args(State):
            known = ", ".join(get_args(State))
            raise InvalidInput(f"No state {state[:40]!r}.", hint=f"Known: {known}.", param="state")
        limit = whole_number(request, "limit", default=100, least=1, most=_MOST)
        found = await self._review.all(identity, state=cast("State | None", state), limit=limit)
        return json_reply(request, {"data": [record.as_dict() for record in found]})

    def _reply(self, request: Request, record: Record) -> Response:
        return json_reply(request, self._told(record))

    def _told(self, record: Record) -> dict[str, Any]:
        now = what_now(record.state, escalated_to=record.escalated_to)
        return {**record.as_dict(), "actions": actions_in(record.state), "what_now": now}
