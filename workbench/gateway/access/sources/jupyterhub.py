"""A JupyterHub's tokens: the Hub itself is asked whose one is, and its word holds for a short while.

Whoever signs in somewhere by the Hub leaves a token there. Only one that opens its holder's own servers counts here,
so that no service, and nobody whose shared server one visits, can come in one's name.
https://jupyterhub.readthedocs.io/en/stable/rbac/scopes.html
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from workbench.errors import AuthenticationFailed
from workbench.gateway.access.identity import Identity
from workbench.gateway.access.key_format import digest
from workbench.gateway.access.roles import RoleTable
from workbench.gateway.access.sources.asking import Flights, Source
from workbench.settings import JupyterHubSettings

_MOST_KEPT = 10_000
_REFUSED = (401, 403)
_OWN_SERVERS = "access:servers"
_ADMINS = "admin:users"


class JupyterHub:
    """Asks `{url}/hub/api/user` with the token in question."""

    def __init__(self, settings: JupyterHubSettings, roles: RoleTable) -> None:
        self._settings = settings
        self._roles = roles
        self._source = Source(f"JupyterHub at {settings.url}", timeout=settings.timeout)
        self._flights = Flights()
        self._known: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()

    async def check(self, token: str) -> Identity:
        """Return whose token it is.

        Raises AuthenticationFailed where the Hub knows no such token, Unavailable where it gives no word.
        """
        key = digest(token)  # no token is kept
        known = self._known.get(key)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        asked: Identity = await self._flights.once(key, lambda: self._ask(key, token))
        return asked

    async def close(self) -> None:
        """Close the connections to the Hub."""
        await self._source.close()

    async def _ask(self, key: bytes, token: str) -> Identity:
        self._known.pop(key, None)
        status, told = await self._source.get(
            f"{self._settings.url}/hub/api/user", {"Authorization": f"token {token}", "Accept": "application/json"}
        )
        if status in _REFUSED:
            raise AuthenticationFailed(
                "JupyterHub does not know this token, or not any more.",
                hint="Make one at the Hub's /hub/token page, or restart your server.",
            )
        if status != 200 or not isinstance(told, dict):
            raise self._source.unavailable(
                f"it answered {status}; [identity.jupyterhub] url is where /hub/api is below, without it"
            )
        identity = self._identity(told)
        self._known[key] = (time.monotonic() + self._settings.cache_seconds, identity)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)
        return identity

    def _identity(self, told: dict[str, Any]) -> Identity:
        if told.get("kind", "user") != "user":
            raise AuthenticationFailed(
                "This is the token of a service of JupyterHub; nobody is behind it.", hint="Send a user's token."
            )
        name, groups = told.get("name"), told.get("groups")
        if not isinstance(name, str):
            raise self._source.unavailable("it answered without a name")
        scopes = self._scopes(told)
        if not any(_opens_own_servers(scope, name) or scope in self._settings.scopes for scope in scopes):
            raise AuthenticationFailed(
                "JupyterHub gave this token for something else than the servers of its holder.",
                hint="Send the token of your own server, or make one at the Hub's /hub/token page.",
            )
        # The token of a server is no admin's at the Hub, whoever runs it, and so it is none here.
        admin = self._settings.admins and told.get("admin") is True and _ADMINS in scopes
        named = [group for group in groups if isinstance(group, str)] if isinstance(groups, list) else []
        return self._roles.identity(name, named, source="jupyterhub", admin=admin)

    def _scopes(self, told: dict[str, Any]) -> list[str]:
        scopes = told.get("scopes")
        if not isinstance(scopes, list):
            raise self._source.unavailable("it tells no scopes; JupyterHub 2 or a later one is needed")
        return [scope for scope in scopes if isinstance(scope, str)]


def _opens_own_servers(scope: str, name: str) -> bool:
    whole = (_OWN_SERVERS, f"{_OWN_SERVERS}!user={name}")
    return scope in whole or scope.startswith(f"{_OWN_SERVERS}!server={name}/")
