"""Put a new key in the place of another: what an owner and an admin may do alike."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from workbench.gateway.access.identity import Identity
from workbench.gateway.access.issuing import RotationWish
from workbench.gateway.parts import Parts
from workbench.gateway.reply import json_reply

ROTATION_FIELDS = "Fields: overlap_seconds, 0 to 2592000; default: 600."


async def rotated(gateway: Parts, request: Request, wish: RotationWish, *, owner: Identity | None = None) -> Response:
    """Answer with the new key of the id in the path, and with when the old one ends; `owner` may rotate theirs only."""
    key_id = request.path_params["id"]
    issued = await gateway.issuer.rotate(key_id, wish, owner=owner)
    gateway.admission.hold_to(issued.key)
    old = await gateway.issuer.find(key_id)
    before = {name: old.as_dict()[name] for name in ("id", "expires_at", "revoked_at")}
    return json_reply(request, {"key": issued.secret, **issued.key.as_dict(), "before": before}, status=201)
