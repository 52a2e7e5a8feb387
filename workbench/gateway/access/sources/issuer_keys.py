"""The public keys of an OpenID Connect issuer: found by discovery, kept for a while, fetched again for a new one.

https://openid.net/specs/openid-connect-discovery-1_0.html, RFC 7517.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import Unavailable
from workbench.gateway.access.sources.asking import Flights, Source
from workbench.settings import OidcSettings

_log = logging.getLogger("workbench.gateway.access")

_MOST_KEYS = 100
_LEAST_RSA_BITS = 2048
_FETCH_EVERY = 2.0
"""Seconds between two fetches, whoever asks for keys that nobody knows: a token with a new key waits for the next."""
_STALE_SECONDS = 86400.0
"""How long known keys go on while the issuer can't be asked for new ones."""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """One public key."""

    kid: str | None
    """Its name."""
    family: str
    """What it signs with: `RSA`, `EC` with its curve as `EC P-256`, or `OKP`."""
    algorithm: str | None
    """The one algorithm that it is for; None: any of its family."""
    key: Any
    """The key as PyJWT takes it."""


class IssuerKeys:
    """Fetches and keeps them."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._issuer = settings.issuer.rstrip("/")
        self._source = Source(f"The issuer {settings.issuer}", timeout=settings.timeout)
        self._flights = Flights()
        self._keys: list[IssuerKey] = []
        self._fetched: float | None = None
        self._asked = -_FETCH_EVERY

    async def of(self, kid: str | None) -> list[IssuerKey]:
        """Return the keys of a name, all of them for None; none where the issuer has no such key now.

        Raises Unavailable where the issuer can't be asked.
        """
        if self._age() > self._settings.keys_seconds:
            await self._renew()
        found = self._named(kid)
        if not found:
            await self._fetch()
            found = self._named(kid)
        return found

    async def close(self) -> None:
        """Close the connections to the issuer."""
        await self._source.close()

    def _age(self) -> float:
        return float("inf") if self._fetched is None else time.monotonic() - self._fetched

    def _named(self, kid: str | None) -> list[IssuerKey]:
        return self._keys if kid is None else [key for key in self._keys if key.kid == kid]

    async def _renew(self) -> None:
        """Fetch the keys because they are old; they go on for a day while that fails."""
        try:
            await self._fetch()
        except Unavailable as error:
            if self._age() > _STALE_SECONDS:
                raise
            _log.warning("the issuer's keys are used beyond their time: %s", error)

    async def _fetch(self) -> None:
        await self._flights.once("keys", self._ask)

    async def _ask(self) -> None:
        await asyncio.sleep(max(0.0, self._asked + _FETCH_EVERY - time.monotonic()))
        self._asked = time.monotonic()
        where = await self._get(f"{self._issuer}/.well-known/openid-configuration")
        if not isinstance(where.get("issuer"), str) or where["issuer"].rstrip("/") != self._issuer:
            raise self._source.unavailable("what it says of itself names another issuer")
        url = where.get("jwks_uri")
        if not isinstance(url, str) or not _as_safe(url, self._issuer):
            raise self._source.unavailable("it names no place of its keys that can be trusted")
        listed = (await self._get(url)).get("keys")
        if not isinstance(listed, list):
            raise self._source.unavailable("it lists no keys")
        self._keys = [key for one in listed[:_MOST_KEYS] if (key := read_key(one)) is not None]
        self._fetched = time.monotonic()

    async def _get(self, url: str) -> dict[str, Any]:
        status, told = await self._source.get(url, {"Accept": "application/json"})
        if status != 200 or not isinstance(told, dict):
            raise self._source.unavailable(f"it answered {status}")
        return told


def _as_safe(url: str, issuer: str) -> bool:
    """Tell whether a place of keys is protected as the issuer is: TLS is not given up on the way."""
    parts = urlsplit(url)
    return bool(parts.hostname) and parts.scheme in ("https", urlsplit(issuer).scheme)


def read_key(told: Any) -> IssuerKey | None:
    """Return a public key that may sign, None for any other: secrets, keys for encryption, short and unknown ones."""
    import jwt  # noqa: PLC0415 - the package and its cryptography load with the first token

    if not isinstance(told, dict) or told.get("use", "sig") != "sig" or told.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    family = f"EC {told.get('crv')}" if told["kty"] == "EC" else str(told["kty"])
    by_family = {"RSA": "RS256", "EC P-256": "ES256", "EC P-384": "ES384", "EC P-521": "ES512", "OKP": "EdDSA"}
    kid, algorithm = told.get("kid"), told.get("alg")
    if family not in by_family or not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        return None
    try:
        key = jwt.PyJWK({name: value for name, value in told.items() if name != "alg"}, by_family[family]).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if family == "RSA" and key.key_size < _LEAST_RSA_BITS:
        return None
    return IssuerKey(kid=kid, family=family, algorithm=algorithm, key=key)
