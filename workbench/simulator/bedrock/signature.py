"""Signature version 4, checked by signing the request again with botocore: an independent signer, as AWS has one."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from workbench.simulator.exchange import Exchange
from workbench.simulator.issued import Issued
from workbench.simulator.reply import Refused
from workbench.simulator.state import AWS_KEY_ID, AWS_SECRET

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_SKEW = timedelta(minutes=5)
_NAMED_TIME = "%Y%m%dT%H%M%SZ"


class Signed(NamedTuple):
    """What an `Authorization` header says."""

    key_id: str
    """The access key id."""
    day: str
    """The day of the scope."""
    region: str
    """The region of the scope."""
    service: str
    """The service of the scope."""
    headers: list[str]
    """The headers that are signed."""
    signature: str
    """In hex."""


def signed(exchange: Exchange) -> Signed | None:
    """Return what the request's signature says; None where there is none."""
    found = _HEADER.fullmatch(exchange.headers.get("authorization", "").strip())
    if found is None:
        return None
    key_id, day, region, service, headers, signature = found.groups()
    return Signed(key_id, day, region, service, headers.split(";"), signature)


def verify(exchange: Exchange, *, service: str) -> None:
    """Check the key, the clock, the body and the signature; raises Refused."""
    told = signed(exchange)
    if told is None:
        raise Refused(403, "Missing Authentication Token", code="MissingAuthenticationTokenException")
    secret = _secret(exchange, told.key_id)
    _check_clock(exchange, told)
    claimed = exchange.headers.get("x-amz-content-sha256")
    if claimed is not None and claimed != hashlib.sha256(exchange.raw).hexdigest():
        raise _mismatch("The body is not the one that was signed.")
    if told.service != service:
        raise _mismatch(f"Credential should be scoped to correct service: '{service}'.")
    if "host" not in told.headers or "x-amz-date" not in told.headers:
        raise _mismatch("host and x-amz-date must be signed.")
    if _signature(exchange, told, secret) != told.signature:
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )


def _secret(exchange: Exchange, key_id: str) -> str:
    if key_id == AWS_KEY_ID:
        return AWS_SECRET
    issued: Issued | None = exchange.state.issued.find("aws", key_id)
    if issued is None or exchange.headers.get("x-amz-security-token") != issued.token:
        message = "The security token included in the request is invalid."
        raise Refused(403, message, code="UnrecognizedClientException")
    if issued.expired:
        raise Refused(403, "The security token included in the request is expired", code="ExpiredTokenException")
    return issued.secret


def _check_clock(exchange: Exchange, told: Signed) -> None:
    try:
        at = datetime.strptime(exchange.headers.get("x-amz-date", ""), _NAMED_TIME).replace(tzinfo=UTC)
    except ValueError:
        raise _mismatch("x-amz-date is missing or no ISO 8601 basic time.") from None
    now = datetime.now(UTC)
    if abs(now - at) > _SKEW or at.strftime("%Y%m%d") != told.day:
        raise _mismatch(f"Signature expired: {at:{_NAMED_TIME}} is not near {now:{_NAMED_TIME}} (5 min.)")


def _signature(exchange: Exchange, told: Signed, secret: str) -> str:
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - heavy, and only Bedrock needs it
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    url = f"http://{exchange.headers.get('host', '')}{exchange.sent_path}"
    request = AWSRequest(
        method=exchange.method,
        url=f"{url}?{exchange.query_string}" if exchange.query_string else url,
        data=exchange.raw,
        headers={name: exchange.headers[name] for name in told.headers if name in exchange.headers},
    )
    request.context["timestamp"] = exchange.headers["x-amz-date"]
    auth = SigV4Auth(Credentials(told.key_id, secret), told.service, told.region)
    return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))


def _mismatch(message: str) -> Refused:
    return Refused(403, message, code="InvalidSignatureException")
