"""The local owner: the one identity of a gateway without an `[identity]` section, shown by a token file."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import AuthenticationFailed, IntegrityError
from workbench.gateway.access.key_format import KEY_PREFIXES, OWNER_PREFIX, new_secret, well_formed
from workbench.settings.user import user_name
from workbench.wire.embedded import OWNER_TOKEN
from workbench.wire.key_file import write_private

ROLES = frozenset({"user", "rater", "scientist", "reviewer", "admin"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who may ask for keys and publish prompts."""

    name: str
    """What records say of who it was."""
    roles: frozenset[str] = frozenset({"user"})
    """What they may do: `user`, `rater`, `scientist`, `reviewer`, `admin`."""
    groups: tuple[str, ...] = ()
    """Groups that whoever vouches for them says they are in."""
    source: str = "owner"
    """Who vouches: `owner` (the token file), `jupyterhub`, `oidc` or `slack`."""

    def as_dict(self) -> dict[str, Any]:
        """Return what somebody is told of themselves."""
        return {"name": self.name, "roles": sorted(self.roles), "groups": list(self.groups), "source": self.source}


class Owner:
    """The local owner and the token that shows who they are."""

    def __init__(self, home: Path) -> None:
        self.path = home / OWNER_TOKEN
        self.identity = Identity(user_name("owner"), roles=ROLES)
        self._token = ""

    def open(self) -> None:
        """Read the token, or make one (mode 0600) at the first start."""
        if not self.path.exists():
            write_private(self.path, new_secret(OWNER_PREFIX))
        token = self.path.read_text("utf-8").strip()
        if not well_formed(token):
            raise IntegrityError(
                f"{self.path} holds no owner token.", hint="Remove the file; the gateway makes a new one at its start."
            )
        self._token = token

    def check(self, presented: str) -> Identity:
        """Return the identity behind a token; raises AuthenticationFailed for any other text."""
        if self._token and hmac.compare_digest(presented.encode(), self._token.encode()):
            return self.identity
        if presented.startswith(KEY_PREFIXES):
            message = "A gateway key makes calls; this needs an identity."
        else:
            message = "This is not the owner's token."
        raise AuthenticationFailed(
            message, hint=f"Send `Authorization: Bearer <token>` with the token in {OWNER_TOKEN}."
        )
