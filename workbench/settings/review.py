"""`[review]`: who looks at a use case before it gets production keys, at what, and what it gets then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from workbench.settings.table import Table

Trust = Literal["third_party", "assured", "in_house"]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


def _version(value: str) -> str:
    """Pass what names a version."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value) is None:
        raise ValueError("expected letters, digits, '.', '_' and '-', such as '2026-11'")
    return value


class DataClass(Table):
    """What review asks of use cases that send data of this class; the least sensitive class stands first."""

    approvals: Literal[1, 2] = Field(1, description="how many different people must approve")
    escalation: str | None = Field(None, description="a name under [review.groups]: who decides when it is escalated")
    trust: list[Trust] = Field(
        ["assured", "in_house"], min_length=1, description="`trust` of the providers that may see such data"
    )


class GovernanceGroup(Table):
    """A group that a use case can be escalated to."""

    members: list[str] = Field(
        [], description="identities in it, beside those whom the identity provider says are in a group of this name"
    )


class TemplateLimits(Table):
    """Limits of a use case, over all its keys together."""

    requests_per_minute: int | None = Field(600, ge=1, description="calls a minute")
    tokens_per_minute: int | None = Field(200_000, ge=1, description="tokens a minute")
    concurrent: int | None = Field(16, ge=1, description="calls at once")
    requests_per_second: float | None = Field(None, ge=0.001, description="calls a second")
    burst: int | None = Field(None, ge=1, description="calls that may begin at once after a pause")
    requests_per_day: int | None = Field(None, ge=1, description="calls a day, UTC")
    tokens_per_day: int | None = Field(None, ge=1, description="tokens a day, UTC")


class TemplateBudget(Table):
    """Money of a use case, over all its keys together."""

    usd_per_day: float | None = Field(None, ge=0, le=1e6, description="US dollars a day, UTC")
    usd_per_month: float | None = Field(100, ge=0, le=1e6, description="US dollars a month, UTC")
    usd_total: float | None = Field(None, ge=0, le=1e6, description="US dollars in all")


class ServiceTemplate(Table):
    """What an approved use case gets unless the reviewer says otherwise."""

    limits: TemplateLimits = Field(TemplateLimits(), description="its limits")
    budget: TemplateBudget = Field(TemplateBudget(), description="its money")
    guaranteed_tokens_per_minute: int = Field(
        0, ge=0, description="tokens a minute that it gets even where deployments are short"
    )
    weight: float = Field(1.0, gt=0, le=1000, description="its share of what batch work may use")


class Templates(Table):
    """What approved use cases get, by service level."""

    online: ServiceTemplate = Field(ServiceTemplate(), description="somebody waits for the answers")
    batch: ServiceTemplate = Field(ServiceTemplate(), description="nobody waits for the answers")


class ReviewSettings(Table):
    """The review of use cases."""

    checklist: str | None = Field(
        None,
        min_length=1,
        description="YAML or TOML file with the platform team's `questions`, from this file's folder",
    )
    risk_text: str | None = Field(
        None, min_length=1,
        description="file with the text on risks that people acknowledge before their first key and at submission",
    )  # fmt: skip
    risk_version: Annotated[str, AfterValidator(_version)] = Field(
        "1", description="its version: all acknowledge a new one"
    )
    data_classes: dict[_Name, DataClass] = Field(
        {
            "public": DataClass(trust=["third_party", "assured", "in_house"]),
            "internal": DataClass(),
            "personal": DataClass(approvals=2),
        },
        min_length=1,
        description="classes of data by name, the least sensitive first",
    )
    groups: dict[_Name, GovernanceGroup] = Field({}, description="governance groups by name")
    templates: Templates = Field(Templates(), description="what approved use cases get")

    def problems(self) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """Yield what one table says wrongly of another: where, what was found, what would be right."""
        known = ", ".join(map(repr, self.groups)) or "none"
        for name, data_class in self.data_classes.items():
            if data_class.escalation is not None and data_class.escalation not in self.groups:
                right = f"known: {known}; or add [review.groups.{data_class.escalation}]"
                yield ("data_classes", name, "escalation"), f"no group named {data_class.escalation!r}", right
