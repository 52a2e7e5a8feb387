"""`[published]`: how a prompt becomes live."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from workbench.settings.table import Table


def _pattern(value: str) -> str:
    """Pass a pattern of names, or of names with an alias."""
    if not value or value.count("@") > 1 or any(part == "" for part in value.split("@")):
        raise ValueError("expected a pattern such as 'support.*' or '*@production'")
    return value


class PublishedSettings(Table):
    """How prompts become live."""

    four_eyes: list[Annotated[str, AfterValidator(_pattern)]] = Field(
        [],
        description="prompts that become live only after somebody else has approved: patterns such as 'support.*', "
        "or '*@production' for one alias",
        examples=[["support.*", "*@production"]],
    )
    approvals: int = Field(1, ge=1, le=5, description="how many different people must approve such a prompt")
