"""Service accounts of Google: made with a real key, so that the JWTs which they sign can be verified."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from workbench.simulator.reply import Refused
from workbench.simulator.state import State


def make_service_account(state: State, url: str, *, email: str = "robot@simulated.iam.gserviceaccount.com") -> str:
    """Return the JSON of a new service account, whose token server is the simulator at `url`."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - heavy, and only this needs it
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    state.signers[email] = key.public_key()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "simulated-project",
        "private_key_id": "simulated",
        "private_key": pem.decode(),
        "client_email": email,
        "client_id": "1",
        "token_uri": f"{url}/google/token",
    }
    return msgspec.json.encode(account).decode()


def verified_claims(state: State, assertion: str) -> dict[str, Any]:
    """Return the claims of a JWT; raises Refused where its shape or signature is wrong.

    The signature of an account that was not made here can only be looked at: it must have the length of RSA's.
    """
    try:
        head, body, signature = (_decoded(part) for part in assertion.split("."))
        header, claims = msgspec.json.decode(head), msgspec.json.decode(body)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise Refused(400, "Invalid JWT: it can't be read.", code="invalid_grant") from error
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") != "RS256":
        raise Refused(400, "Invalid JWT: alg must be RS256.", code="invalid_grant")
    signer = state.signers.get(str(claims.get("iss")))
    signed = assertion.rpartition(".")[0].encode()
    if len(signature) < 256 or (signer is not None and not _is_good(signer, signature, signed)):
        raise Refused(400, "Invalid JWT Signature.", code="invalid_grant")
    return claims


def _is_good(signer: Any, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    try:
        signer.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
