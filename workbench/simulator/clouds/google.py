"""Google's token server and the metadata server of its machines.

Source: Google, "Using OAuth 2.0 for server to server applications"; "About VM metadata".
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from workbench.simulator.clouds.family import TOKENS, form_of
from workbench.simulator.clouds.service_account import verified_claims
from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Path
from workbench.simulator.reply import Refused, Reply, Whole

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_GOOGLES = "https://oauth2.googleapis.com/token"
"""What Google's own library asks for, wherever it sends the JWT."""
_LONGEST = 3600
_FLAVOR = {"metadata-flavor": "Google"}
_MACHINE = "machine@simulated.iam.gserviceaccount.com"


def token(exchange: Exchange) -> Reply:
    """Give a token for a service account's JWT, or for a user's refresh token."""
    form = form_of(exchange)
    if form.get("grant_type") == _JWT_GRANT:
        claims = verified_claims(exchange.state, form.get("assertion", ""))
        _check(claims, f"{exchange.url}{exchange.sent_path}")
        return _issued(exchange, str(claims["iss"]))
    if form.get("grant_type") == "refresh_token":
        if not exchange.state.takes(form.get("refresh_token")):
            raise Refused(400, "Bad Request", code="invalid_grant")
        return _issued(exchange, form.get("client_id", ""))
    raise Refused(400, f"Invalid grant_type: {form.get('grant_type')}", code="unsupported_grant_type")


def machine_token(exchange: Exchange) -> Reply:
    """Give the token of the machine."""
    _check_flavor(exchange)
    return _issued(exchange, _MACHINE)


def machine_account(exchange: Exchange) -> Reply:
    """Tell who the machine is."""
    _check_flavor(exchange)
    told = {"email": _MACHINE, "aliases": ["default"], "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
    return Whole(body=told, headers=_FLAVOR)


def machine_fact(exchange: Exchange) -> Reply:
    """Tell the project, or the universe."""
    _check_flavor(exchange)
    text = "simulated-project" if exchange.path.endswith("project-id") else "googleapis.com"
    return Whole(body=text.encode(), content_type="application/text", headers=_FLAVOR)


def is_there(exchange: Exchange) -> Reply:
    """Tell that a metadata server is here."""
    _check_flavor(exchange)
    return Whole(body=b"computeMetadata/\n", content_type="application/text", headers=_FLAVOR)


def _issued(exchange: Exchange, holder: str) -> Reply:
    issued = exchange.state.issued.issue("google", holder=holder, prefix="ya29.")
    left = max(0, round(issued.expires_at - time.time()))
    told = {"access_token": issued.token, "expires_in": left, "token_type": "Bearer"}
    return Whole(body=msgspec.json.encode(told), headers=_FLAVOR)


def _check(claims: dict[str, Any], audience: str) -> None:
    now = time.time()
    issued_at, expires_at = (claims.get(name) for name in ("iat", "exp"))
    if not isinstance(issued_at, int | float) or not isinstance(expires_at, int | float):
        raise Refused(400, "Invalid JWT: iat and exp are required.", code="invalid_grant")
    if not now - _LONGEST < issued_at < now + 300 or not now < expires_at <= issued_at + _LONGEST + 300:
        message = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        raise Refused(400, message, code="invalid_grant")
    if claims.get("aud") not in (audience, _GOOGLES):
        raise Refused(400, f"Invalid JWT: aud must be {audience}.", code="invalid_grant")
    if not claims.get("scope"):
        raise Refused(400, "Empty or missing scope not allowed.", code="invalid_scope")


def _check_flavor(exchange: Exchange) -> None:
    if exchange.headers.get("metadata-flavor") != "Google":
        raise Refused(403, "Metadata-Flavor: Google is needed.")


_METADATA = "/computeMetadata/v1"
_ACCOUNTS = f"{_METADATA}/instance/service-accounts"

PATHS = (
    Path("POST", "/google/token", TOKENS, token),
    Path("GET", f"{_ACCOUNTS}/{{account}}/token", TOKENS, machine_token),
    Path("GET", f"{_ACCOUNTS}/{{account}}/", TOKENS, machine_account),
    Path("GET", f"{_METADATA}/project/project-id", TOKENS, machine_fact),
    Path("GET", f"{_METADATA}/universe/universe-domain", TOKENS, machine_fact),
    Path("GET", "/", TOKENS, is_there, header="metadata-flavor"),
)
