"""Bearer tokens of an OpenID Connect issuer: signed by one of its keys, for us, now; claims tell who it is.

RFC 7519, RFC 8725. Time is judged by the key table's clock, which never goes back: no dead token comes to life.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from workbench.errors import AuthenticationFailed
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.roles import RoleTable
from workbench.gateway.access.sources.issuer_keys import IssuerKeys
from workbench.gateway.times import utc_text
from workbench.settings import OidcSettings

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_LONGEST = 16 * 1024
_LATEST = 253402300799.0  # end of the year 9999
_SIGNS = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "EC P-256", "ES384": "EC P-384", "ES512": "EC P-521", "EdDSA": "OKP",
}  # fmt: skip
"""Algorithm -> what keys sign with it. What is not here is never good: `none`, and secrets that both sides know."""
_UNTIMED: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False)
_UNSIGNED: Any = {"verify_signature": False, **_UNTIMED}
_WAY_OUT = "Sign in again to get a new token."


def looks_like_token(text: str) -> bool:
    """Tell whether a text has the shape of a signed token."""
    return len(text) <= _LONGEST and _SHAPE.fullmatch(text) is not None


class Oidc:
    """One issuer."""

    def __init__(self, settings: OidcSettings, roles: RoleTable, *, now: Callable[[], float]) -> None:
        self._settings = settings
        self._roles = roles
        self._now = now
        self._keys = IssuerKeys(settings)

    async def check(self, token: str) -> Identity:
        """Return whose token it is.

        Raises AuthenticationFailed, which says what is wrong with it, and Unavailable where the issuer's keys can't
        be had.
        """
        import jwt  # noqa: PLC0415 - it and its cryptography load with the first token

        try:
            header = jwt.get_unverified_header(token)
            claims: dict[str, Any] = jwt.decode(token, options=_UNSIGNED)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise AuthenticationFailed("This is no token that can be read.", hint=_WAY_OUT) from error
        algorithm = header.get("alg")
        if algorithm not in self._settings.algorithms or algorithm not in _SIGNS:
            known = ", ".join(self._settings.algorithms)
            raise AuthenticationFailed(
                f"The token is signed with {str(algorithm)[:20]!r}, which does not count here.",
                hint=f"[identity.oidc] algorithms has {known}.",
            )
        if "crit" in header:
            raise AuthenticationFailed("The token demands what this gateway does not know (`crit`).", hint=_WAY_OUT)
        self._check_meant(claims)  # before its issuer is bothered
        await self._check_signature(token, header.get("kid"), str(algorithm))
        self._check_time(claims)
        return self._identity(claims)

    async def close(self) -> None:
        """Close the connections to the issuer."""
        await self._keys.close()

    def _check_meant(self, claims: Mapping[str, Any]) -> None:
        issuer, audience = claims.get("iss"), claims.get("aud")
        if not isinstance(issuer, str) or issuer.rstrip("/") != self._settings.issuer.rstrip("/"):
            raise AuthenticationFailed(
                "The token is of another issuer.", hint=f"Tokens come from {self._settings.issuer}."
            )
        named = audience if isinstance(audience, list) else [audience]
        if not any(one in self._settings.audience for one in named if isinstance(one, str)):
            raise AuthenticationFailed(
                "The token is meant for somebody else.",
                hint=f"Ask the issuer for one whose audience is {self._settings.audience[0]!r}.",
            )

    async def _check_signature(self, token: str, kid: Any, algorithm: str) -> None:
        import jwt  # noqa: PLC0415

        keys = await self._keys.of(kid) if isinstance(kid, str | None) else []
        for key in keys:
            if key.family != _SIGNS[algorithm] or key.algorithm not in (None, algorithm):
                continue
            try:
                jwt.decode(token, key.key, algorithms=[algorithm], options=_UNTIMED)
            except (jwt.PyJWTError, ValueError):
                continue
            return
        raise AuthenticationFailed("The token's signature is by none of its issuer's keys.", hint=_WAY_OUT)

    def _check_time(self, claims: Mapping[str, Any]) -> None:
        now, leeway = self._now(), self._settings.leeway
        expires, begins = _moment(claims, "exp"), _moment(claims, "nbf")
        if expires is None:
            raise AuthenticationFailed("The token has no end (`exp`).", hint="The issuer must give it one.")
        if expires + leeway <= now:
            raise AuthenticationFailed(f"The token expired at {utc_text(expires)}.", hint=_WAY_OUT, code="expired")
        if begins is not None and begins - leeway > now:
            raise AuthenticationFailed(
                f"The token holds from {utc_text(begins)} on.", hint="The issuer's clock and ours differ."
            )

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        name = claims.get(self._settings.user)
        if not isinstance(name, str):
            raise AuthenticationFailed(
                f"The token has no claim {self._settings.user!r} that names you.", hint="[identity.oidc] user names it."
            )
        if self._settings.user == "email" and claims.get("email_verified") is False:
            raise AuthenticationFailed("The token's e-mail address was never verified.", hint="Verify it there.")
        return self._roles.identity(name, _groups(claims, self._settings.groups), source="oidc")


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise AuthenticationFailed(f"The token's `{name}` is no time.", hint=_WAY_OUT)
    return float(value)


def _groups(claims: Mapping[str, Any], path: str) -> list[str]:
    """Return what a claim lists; a name with dots in it counts before a way into a claim."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str)]
