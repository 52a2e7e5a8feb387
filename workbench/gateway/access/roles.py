"""Which roles somebody has, by name and groups, as `[identity]` of the configuration says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from workbench.errors import AuthenticationFailed
from workbench.gateway.access.identity import Identity
from workbench.settings import IdentitySettings, Members

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_IN_EVERY = ("user",)
_IN_ADMIN = ("user", "rater", "scientist", "admin")
"""What an admin may do without being named for it. To review is another's: nobody decides by administering."""


class RoleTable:
    """Roles by name and group."""

    def __init__(self, settings: IdentitySettings) -> None:
        self._everybody = frozenset(_IN_EVERY) | frozenset(settings.everybody)
        self._members: dict[str, Members] = dict(settings.roles)

    def identity(self, name: str, groups: Iterable[str], *, source: str, admin: bool = False) -> Identity:
        """Return somebody whom a source vouches for; raises AuthenticationFailed for a name that can't be one."""
        if not _NAME.fullmatch(name) or name != name.strip():
            raise AuthenticationFailed(
                f"The name that {source} gives you can't be kept: it is empty, too long or has odd characters.",
                hint="The admin may name another claim: [identity.oidc] user.",
            )
        groups = tuple(groups)
        roles = set(self._everybody)
        for role, members in self._members.items():
            if name in members.users or any(group in members.groups for group in groups):
                roles.add(role)
        if admin or "admin" in roles:
            roles.update(_IN_ADMIN)
        return Identity(name, roles=frozenset(roles), groups=groups, source=source)
