"""Microsoft Entra's token endpoint, and managed identities of machines and app services.

Source: Microsoft identity platform, client credentials flow; "How to use managed identities".
"""

from __future__ import annotations

import time

from workbench.simulator.clouds.family import TOKENS, form_of
from workbench.simulator.exchange import Exchange
from workbench.simulator.issued import Issued
from workbench.simulator.protocol import Path
from workbench.simulator.reply import Refused, Reply, Whole

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def token(exchange: Exchange) -> Reply:
    """Give a token for a client's secret, or for a JWT that stands for it."""
    form = form_of(exchange)
    if form.get("grant_type") != "client_credentials":
        raise Refused(400, "AADSTS70003: The grant type is not supported.", code="unsupported_grant_type")
    if not form.get("scope", "").endswith("/.default"):
        raise Refused(400, "AADSTS1002012: The provided value for scope is not valid.", code="invalid_scope")
    by_assertion = form.get("client_assertion_type") == _ASSERTION and form.get("client_assertion", "").count(".") == 2
    if not by_assertion and not exchange.state.takes(form.get("client_secret")):
        raise Refused(401, "AADSTS7000215: Invalid client secret provided.", code="invalid_client")
    issued = _issued(exchange, form.get("client_id", ""))
    left = _left(issued)
    told = {"token_type": "Bearer", "expires_in": left, "ext_expires_in": left, "access_token": issued.token}
    return Whole(body=told)


def configuration(exchange: Exchange) -> Reply:
    """Tell where the endpoints of a tenant are."""
    root = f"{exchange.url}/{exchange.params['tenant']}"
    told = {
        "token_endpoint": f"{root}/oauth2/v2.0/token",
        "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
        "issuer": f"{root}/v2.0",
    }
    return Whole(body=told)


def machine_token(exchange: Exchange) -> Reply:
    """Give a machine its token."""
    if exchange.headers.get("metadata", "").lower() != "true":
        raise Refused(400, "Required metadata header not specified")
    return _identity(exchange)


def service_token(exchange: Exchange) -> Reply:
    """Give an app service its token; it shows the secret that it was started with."""
    if not exchange.state.takes(exchange.headers.get("x-identity-header")):
        raise Refused(401, "X-IDENTITY-HEADER is wrong.")
    return _identity(exchange)


def _identity(exchange: Exchange) -> Reply:
    resource = exchange.query.get("resource")
    if not resource or not exchange.query.get("api-version"):
        raise Refused(400, "resource and api-version are required.")
    issued = _issued(exchange, exchange.query.get("client_id", "system"))
    told = {"access_token": issued.token, "token_type": "Bearer", "resource": resource}
    seconds = {"expires_on": str(int(issued.expires_at)), "expires_in": str(_left(issued))}
    return Whole(body={**told, **seconds, "client_id": issued.holder})


def _issued(exchange: Exchange, holder: str) -> Issued:
    return exchange.state.issued.issue("entra", holder=holder, prefix="eyJ0eXAi.simulated.")


def _left(issued: Issued) -> int:
    return max(0, round(issued.expires_at - time.time()))


PATHS = (
    Path("POST", "/{tenant}/oauth2/v2.0/token", TOKENS, token),
    Path("GET", "/{tenant}/v2.0/.well-known/openid-configuration", TOKENS, configuration),
    Path("GET", "/metadata/identity/oauth2/token", TOKENS, machine_token),
    Path("GET", "/msi/token", TOKENS, service_token),
)
