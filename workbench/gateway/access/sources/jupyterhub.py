"""A JupyterHub's tokens: the Hub itself is asked whose one is, and its word holds for a short while."""

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
            raise self._source.unavailable(f"it answered {status}")
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
        admin = self._settings.admins and told.get("admin") is True
        named = [group for group in groups if isinstance(group, str)] if isinstance(groups, list) else []
        return self._roles.identity(name, named, source="jupyterhub", admin=admin)
