"""`[slack]`: self-service of keys by a slash command."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workbench.settings.credential import Credential
from workbench.settings.table import Table

_UserId = Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{2,20}$")]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class SlackSettings(Table):
    """The slash command; without a signing secret there is none."""

    signing_secret: Credential | None = Field(None, description="reference to the app's signing secret")
    team: str | None = Field(None, min_length=1, description="the one workspace that may ask, as T0123; default: any")
    users: dict[_UserId, _Name] = Field({}, description="Slack's user ids, and who they are here: U0123 = 'ana'")
