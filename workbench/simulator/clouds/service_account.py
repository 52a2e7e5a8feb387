"""Service accounts of Google: made with a real key, so that the JWTs which they sign can be verified."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from workbench.simulator.reply import Refused
from workbench.simulator.state import State


def make_service_account(state: State, url: str, *, email: str = "robot@simulated.iam.gserviceaccount.com") -> str:
    """Return the JSON of a service account with a new key, whose token server is the simulator at `url`.

    As with Google's, an account may have several keys: those made before stay good.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - heavy, and only this needs it
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = state.signers.setdefault(email, {})
    key_id = f"simulated-{len(keys) + 1}"
    keys[key_id] = key.public_key()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "simulated-project",
        "private_key_id": key_id,
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
    keys = state.signers.get(str(claims.get("iss")))
    signed = assertion.rpartition(".")[0].encode()
    if len(signature) < 256 or (keys is not None and not _is_good(keys.get(str(header.get("kid"))), signature, signed)):
        raise Refused(400, "Invalid JWT Signature.", code="invalid_grant")
    return claims


def _is_good(key: Any, signature: bytes, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    if key is None:
        return False
    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
