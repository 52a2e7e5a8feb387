"""`/admin/v1/limits` and `/admin/v1/budgets/raises`: parse, one verb, reply."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import InvalidInput
from workbench.gateway.admission.raises import RaiseWish, told
from workbench.gateway.admission.subject import KINDS
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply
from workbench.gateway.requests import headers_of, read_json

_wish = msgspec.json.Decoder(RaiseWish)
_FIELDS = (
    f"Fields: subject ({', '.join(KINDS)}), name, usd_per_day, usd_per_month or usd_total (how much more), until (a "
    "date), reason."
)


class AdmissionRoutes:
    """Who is held to what, and what is left of it, for an admin."""

    def __init__(self, gateway: Parts) -> None:
        self._gateway = gateway

    async def limits(self, request: Request) -> Response:
        """Answer `GET /admin/v1/limits?subject=&name=`."""
        gateway = self._gateway
        await gateway.identities.of(headers_of(request), role="admin")
        kind, name = request.query_params.get("subject"), request.query_params.get("name")
        if kind is not None and kind not in KINDS:
            raise InvalidInput(f"subject is {kind[:40]!r}.", hint=f"Known: {', '.join(KINDS)}.", param="subject")
        if name is not None and kind in (None, "key"):
            name = gateway.admission.subject("key", name).name
        listed = gateway.admission.all(models=[model.name for model in gateway.models], providers=gateway.providers)
        data = [one for one in listed if kind in (None, one["subject"]) and name in (None, one["name"])]
        return json_reply(request, {"data": data})

    async def raises(self, request: Request) -> Response:
        """Answer `GET /admin/v1/budgets/raises`: newest first, those that are over too."""
        await self._gateway.identities.of(headers_of(request), role="admin")
        return json_reply(request, {"data": [told(one) for one in await self._gateway.raises.all()]})

    async def raise_budget(self, request: Request) -> Response:
        """Answer `POST /admin/v1/budgets/raises`."""
        admin = await self._gateway.identities.of(headers_of(request), role="admin")
        wish = await read_json(request, _wish, hint=_FIELDS)
        await self._gateway.follower.look()  # a key or grant of just now may be another worker's
        made = await self._gateway.raises.add(wish, by=admin.name)
        return json_reply(request, told(made), status=201)
