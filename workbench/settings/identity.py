"""`[identity]`: who vouches for people, and which roles they have here."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from workbench.settings.table import Table
from workbench.settings.values import http_url, one_or_more

Role = Literal["user", "rater", "scientist", "reviewer", "admin"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures that only the issuer can make. A secret that both sides know (HS...) can't be named, nor `none`."""


def _issuer(value: str) -> str:
    """Pass the issuer as it is written: tokens repeat it to the letter. Without TLS only on this machine."""
    parts = urlsplit(http_url(value))
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError("expected https:// for an issuer on another machine")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class JupyterHubSettings(Table):
    """A JupyterHub whose tokens say who somebody is."""

    url: Annotated[str, AfterValidator(http_url)] = Field(
        description="where the Hub answers, with its base_url; its API is below at /hub/api",
        examples=["http://hub:8081"],
    )
    admins: bool = Field(
        True, description="whether the Hub's admins are admins of the gateway, by tokens with the Hub's own rights"
    )
    scopes: list[str] = Field(
        [],
        description="scopes of the Hub by which a token counts, beside access to its holder's own servers",
        examples=[["access:services!service=workbench"]],
    )
    cache_seconds: float = Field(30, ge=0, le=3600, description="how long the Hub's word on a token holds")
    timeout: float = Field(5, gt=0, le=60, description="seconds that the Hub may take")


class OidcSettings(Table):
    """An OpenID Connect issuer whose bearer tokens say who somebody is."""

    issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        description="the issuer, as `iss` of its tokens names it", examples=["https://login.example.com/realms/people"]
    )
    audience: Annotated[list[str], BeforeValidator(one_or_more)] = Field(
        min_length=1, description="`aud` of tokens that are meant for the gateway", examples=[["workbench"]]
    )
    algorithms: list[Algorithm] = Field(
        ["RS256", "ES256", "PS256", "EdDSA"], min_length=1, description="how tokens may be signed"
    )
    user: str = Field("sub", min_length=1, description="the claim that names somebody, `sub`, `email` or another one")
    groups: str = Field(
        "groups", min_length=1, description="the claim that lists groups; dots lead into it, as realm_access.roles"
    )
    leeway: float = Field(30, ge=0, le=300, description="seconds by which the issuer's clock and ours may differ")
    keys_seconds: float = Field(3600, gt=0, description="how long the issuer's keys hold before they are fetched anew")
    timeout: float = Field(5, gt=0, le=60, description="seconds that the issuer may take")


class Members(Table):
    """Who has a role."""

    groups: list[str] = Field([], description="groups whose members have it", examples=[["platform"]])
    users: list[str] = Field([], description="people who have it", examples=[["ana"]])


class Roles(Table):
    """Who has which role beside those that everybody has."""

    rater: Members = Field(Members(), description="may rate and vote")
    scientist: Members = Field(Members(), description="may publish prompts")
    reviewer: Members = Field(Members(), description="may decide on use cases")
    admin: Members = Field(Members(), description="may administer the gateway")


class IdentitySettings(Table):
    """Who vouches for people. Without a source there is one person: the local owner, who has every role."""

    owner: bool | None = Field(
        None, description="whether the token in owner.token is the owner's; default: where nobody else vouches"
    )
    jupyterhub: JupyterHubSettings | None = Field(None, description="tokens of a JupyterHub")
    oidc: OidcSettings | None = Field(None, description="bearer tokens of an OpenID Connect issuer")
    everybody: list[Role] = Field(["user", "rater", "scientist"], description="roles of everybody who is vouched for")
    roles: Roles = Field(Roles(), description="further roles, and who has them")

    @property
    def shared(self) -> bool:
        """Whether more people than the local owner may come."""
        return self.jupyterhub is not None or self.oidc is not None

    @property
    def takes_owner(self) -> bool:
        """Whether the local owner's token is good."""
        return not self.shared if self.owner is None else self.owner
