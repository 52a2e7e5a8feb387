"""Sign in by a key in a header, or by nothing."""

from __future__ import annotations

from collections.abc import Mapping

from yarl import URL


class KeySignIn:
    """One header that is always the same; without a key, none."""

    ready = True
    signs_body = False

    def __init__(self, header: str, secret: str | None) -> None:
        self._headers = {header: secret} if secret else {}

    async def prepare(self) -> None:
        """Nothing to fetch."""

    def headers(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the key's header."""
        return self._headers

    async def refused(self, sent: Mapping[str, str]) -> bool:
        """There is no other key."""
        return False


def bearer(secret: str | None) -> KeySignIn:
    """Return the sign-in `Authorization: Bearer`."""
    return KeySignIn("Authorization", f"Bearer {secret}" if secret else None)
