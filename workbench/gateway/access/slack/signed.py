"""Whether a request is Slack's own: signed with the app's secret, young, and never seen before.

https://docs.slack.dev/authentication/verifying-requests-from-slack/
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from workbench.errors import AuthenticationFailed, Conflict
from workbench.gateway.access.key_format import digest
from workbench.gateway.unified.objects.repeats import Repeats, Wish

_SIGNATURE, _TIMESTAMP = b"x-slack-signature", b"x-slack-request-timestamp"
_OWNER = "slack"


async def check_signed(
    body: bytes, headers: Mapping[bytes, bytes], *, secret: str, path: str, repeats: Repeats
) -> None:
    """Raise AuthenticationFailed for a request that Slack did not sign, more than 5 minutes ago, or that came before.

    What came before is kept in the state database, so that no process takes what another one has taken.
    """
    signature, timestamp = (headers.get(name, b"").decode("latin-1") for name in (_SIGNATURE, _TIMESTAMP))
    if not await asyncio.to_thread(_is_signed, body, signature, timestamp, secret):
        raise AuthenticationFailed(
            "This request is not signed by Slack, or too old.",
            hint="[slack] signing_secret must be the one of the app, and the clocks must agree.",
            code="invalid_signature",
        )
    wish = Wish(owner=_OWNER, path=path, key=signature[:255], fingerprint=digest(signature).hex())
    try:
        await asyncio.to_thread(repeats.begin, wish)
    except Conflict as error:
        raise AuthenticationFailed(
            "This request came before.", hint="Send the command again.", code="replayed"
        ) from error


def _is_signed(body: bytes, signature: str, timestamp: str, secret: str) -> bool:
    from slack_sdk.signature import SignatureVerifier  # noqa: PLC0415 - loads with the first command

    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:  # the verifier takes numbers only
        return False
    if not signature.isascii():  # and ASCII
        return False
    return SignatureVerifier(secret).is_valid(body, timestamp, signature)
